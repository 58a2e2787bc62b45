"""Presence: boards, containers, watchers.

Specification: [MS-PRES]; dialogs as in [MS-SIP]. Routes: SERVICE with a publication, a
change of container members, of subscribers or of delegates; SUBSCRIBE to
`vnd-microsoft-roaming-self` and `presence.wpending` (a user's own board) and to `presence`
(other people's). Diagnostics: 2000-2999.

A *board* holds all categories that one user has published. A *container* is an audience
with members. The rules are pure and stand in `model`: its `tables` are to be held against the
specification; `aggregate` makes one state of the states of all endpoints, `board` and
`levels` change a board, `audience` decides who sees what. What clients write is read in
`bodies`, and what they are told is written there.

| | Reads | Writes | Answers |
|---|---|---|---|
| a user's own board | `bodies.publications` | `bodies.categories` | `routes`; told on by `roaming` |
| watchers | `bodies.batches` | `bodies.categories` | `subscriptions` |
| watchers from before 2007 | `bodies.batches` | `bodies.legacy` | `subscriptions`, `soap` |
| web pages | `resources` | `bodies.icons` | `resources` |

`board_table` owns the boards, and changes them when somebody publishes, an endpoint goes, the directory
or the clock changes; `bodies.board_record` writes them for the store. `watcher_index` knows who watches
whom, `presentities` what a watcher sees of somebody. `fanout` turns facts into notifications, as fast as
connections and publishers (`model.traffic`) let it. `subscribers` notes who began to watch whom, so that
a user can be asked about them.
"""
