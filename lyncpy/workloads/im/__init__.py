"""Two-party sessions between users: instant messages, and every other dialog that is passed on.

Specification: [MS-SIPRE], RFC 3428, [MS-CONFIM] for the texts of failures. Route: the one
that forwards. Diagnostics: 1 (could not be reached), 1003, 1004, 1006, 13002. The server
stays in the path of each dialog for all of its life; `sessions.py` owns the table of
dialogs under way and `recorder.py` writes each as a call detail record.
"""
