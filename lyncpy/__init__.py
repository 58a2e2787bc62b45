"""lyncpy: an open communications server for Lync, Communicator and Skype for Business clients.

The floors, from the ground up: `sip` (the language), `contracts` (the promises),
`core`, `auth`, `backends`, `wire` (four neighbours that never meet), `workloads`
(what the server is for) and `app` (the only room that knows everyone).
Imports run down, never up and never sideways.
"""

__version__ = "0.2.0"
