"""Conferences: made by a focus factory, run by a focus, their media moved by MCUs.

Specification: [MS-CONFPRO] for the factory, [MS-CONFBAS] for the focus, RFC 4575 for the
roster. Every user has a factory, which stores their conferences; each conference has a URI, and
while people are in it a focus, which knows who takes part, with which role, and whether it is
locked. Commands are written in C3P (`application/cccp+xml`). Diagnostics: 3000 to 3999.

The rules are pure and stand in `model`: `conference.py` has conferences as they are stored,
`attendees.py` the values of a running meeting and the changes that may happen to it, `admission.py` its
tables, `lifetime.py` how it begins, what time does to it and how it ends, `meeting.py` its commands.
`bodies` reads and writes C3P, conference-info documents and the page behind a link. Around both,
`conference_table.py` stores conferences, `focus_table.py` runs a `focus.py` for each meeting,
`focus_commands.py` carries out what participants ask of it, and `roster_feed.py` notifies its watchers.
"""
