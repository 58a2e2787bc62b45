"""Instant messages: sessions between two users, invitations to conferences, and the IM MCU.

Specification: [MS-SIPRE], RFC 3428, [MS-CONFIM]. Routes: the one that forwards what is for
another user, and all within the dialogs of a conference's chat (`app:conf:chat`), whose INVITE
comes by way of the focus. Diagnostics: 1 (could not be reached), 1003, 1004, 1006, 4008,
4013, 6001, 13002, 17000.

Between two, the server stays in the path of each dialog for all of its life; `sessions.py` owns
the table of dialogs under way and `recorder.py` writes each as a call detail record.
`invitations.py` passes on what asks somebody to a conference. Of a conference's chat, `room.py`
knows who is there and what is on its way to whom, `legs.py` how he is attached, and `mcu.py`
owns the table. `filing.py` gives what is said to the archive before anybody gets it.
"""
