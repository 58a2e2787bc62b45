"""Clients in the box: each does what a real client does at a server, and says how it went, as a plug-in of Nagios does.

`outcome` is what they say, `advice` what to do about it, `network` their sockets; `device` is a client of SIP on either a
socket or anything else that carries bytes, `stories` what it does, `web` the same over HTTPS. `keys`, `tls_dsk` and `kerberos_keys`
are what it proves itself with, `enrollment` how it gets a certificate. Nothing here is a part of the server.
"""
