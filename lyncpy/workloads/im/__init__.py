"""Instant messages: sessions between two users, invitations to conferences, and the IM MCU.

Specification: [MS-SIPRE], RFC 3428, [MS-CONFIM]. Routes: the one that forwards what is for
another user, and all within the dialogs of a conference's chat (`app:conf:chat`), whose INVITE
comes by way of the focus. Diagnostics: 1 (could not be reached), 1003, 1004, 1006, 4008,
4013, 6001, 13002, 17000.

Between two, the server stays in the path of each dialog for all of its life. `routes.py` decides
what a request is; `delivery.py` is the one road of what is asked or said: who can be reached
(`parties.py`), the archive before anybody gets it (`archiving.py`), passed on, answered, and the
call detail record, which `call_records.py` writes. `sessions.py` owns the table of dialogs under
way. `invitations.py` knows what asks somebody to a conference, and asks the members of a group.
Of a conference's chat, `model/room.py` knows who is there and what is on its way to whom (pure),
`chat.py` runs it, and `mcu.py` is the IM MCU, which knows no protocol; `chat_dialogs.py` and `legs.py`
are the road by which SIP clients come to it.
"""
