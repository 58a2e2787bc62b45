"""The locks: proving who sends, and that it is we who answer ([MS-SIPAE]).

`ntlm` is the protocol as pure functions ([MS-NLMP] in its connectionless form), `ciphers`
the two algorithms it needs that libraries have dropped, `signing` the text of a message
that is signed, `association` what a finished handshake leaves behind: it verifies and
signs every message of one connection. `authenticator` runs handshakes against people and
their NT hashes and keeps the promise `IAuthenticator`; the gate of `core` calls it.
"""
