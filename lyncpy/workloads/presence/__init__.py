"""Presence: boards, containers, watchers.

Specification: [MS-PRES]; dialogs as in [MS-SIP]. Routes: SERVICE with a publication, a
change of container members or of subscribers; SUBSCRIBE to `vnd-microsoft-roaming-self`
(a user's own board) and to `presence` (other people's). Diagnostics: 2000-2999.

A *board* holds all categories that one user has published. A *container* is an audience
with members. The rules are pure, and in three files that are each to be held against a
part of the specification: `model` (versions, quotas, expiry, members), `aggregate` (one
state of the states of all endpoints), `audience` (who sees what). The wire is read in
`bodies` and written in `documents`; `records` is the form of a board in the store. `boards`
owns the table of boards, `watchers` the index of who watches whom, `fanout` turns facts
into notifications, `publisher` publishes what the directory knows.
"""
