"""Presence: boards, containers, watchers.

Specification: [MS-PRES]; dialogs as in [MS-SIP]. Routes: SERVICE with a publication, a
change of container members, of subscribers or of delegates; SUBSCRIBE to
`vnd-microsoft-roaming-self` and `presence.wpending` (a user's own board) and to `presence`
(other people's). Diagnostics: 2000-2999.

A *board* holds all categories that one user has published. A *container* is an audience
with members. The rules are pure: `model` has them as tables, to be held against the
specification; `aggregate` makes one state of the states of all endpoints, `board` and
`levels` change a board, `audience` decides who sees what.

| | Reads | Writes | Answers |
|---|---|---|---|
| a user's own board | `bodies` | `documents`, `values` | `routes`; told on by `roaming` |
| watchers | `batches` | `documents` | `watching`, for as long as `grants` says |
| watchers from before 2007 | `batches` | `legacy` | `watching`, `soap` |
| web pages | `resources` | `icons` | `resources` |

`boards` owns the table of boards, `records` is their form in the store, `publisher` puts up
what the directory knows. `watchers` is the index of who watches whom, `fanout` turns facts
into notifications, as fast as connections (`owed`) and publishers (`traffic`) let it.
`subscribers` notes who began to watch whom, so that a user can be asked about him.
"""
