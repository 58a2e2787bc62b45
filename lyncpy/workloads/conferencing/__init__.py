"""Conferences: made by a focus factory, run by a focus, their media moved by MCUs.

Specification: [MS-CONFPRO] for the factory, [MS-CONFBAS] for the focus, RFC 4575 for the
roster. Every user has a factory, which keeps their conferences; each conference has a URI, and
while people are in it a focus, which knows who takes part, as what, and behind which door.
Commands are written in C3P (`application/cccp+xml`). Diagnostics: 3000 to 3999.

The rules are pure and stand in `model`: `conference.py` has conferences as they are kept,
`attendees.py` the values of a meeting that runs and what may happen to it, `admission.py` its
tables, `meeting.py` what follows from what. `bodies` reads and writes C3P, conference-info
documents and the page behind a link. Around both, `conference_table.py` keeps conferences,
`focus_table.py` runs a `focus.py` for each meeting, and `roster_feed.py` tells who watches it.
"""
