"""Instant messages: sessions between two users, invitations to conferences, and the IM MCU.

Specification: [MS-SIPRE], RFC 3428, [MS-CONFIM]. Routes: the one that forwards what is for
another user, and all within the dialogs of a conference's chat (`app:conf:chat`), whose INVITE
comes by way of the focus. Diagnostics: 1 (could not be reached), 1003, 1004, 1006, 4008,
4013, 6001, 13002, 17000.

Between two users, the server stays in the path of each dialog for all of its life. `routes.py` decides
what a request is. `delivery.py` has the one way of every request and message to another user: its
endpoints are looked up (`parties.py`), the archive has it before anybody gets it (`archiving.py`), it
is passed on and answered, and the call detail record is written (`call_records.py`). `sessions.py`
owns the table of dialogs under way. `invitations.py` passes on invitations to conferences, and invites
the members of a group. Of a conference's chat, `model/room.py` has the members and the messages on
their way to each (pure), `chat.py` runs it, and `mcu.py` is the IM MCU, which knows no protocol;
`chat_dialogs.py` and `legs.py` attach SIP clients to it.
"""
