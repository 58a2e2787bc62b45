"""The shell: an SSH server in which an operator asks and acts.

Specification: RFC 4252-4254 through twisted.conch; ours is what is said inside. It gathers
the commands of all workloads and has a few of its own; it answers nothing over SIP.

It has three doors: SSH (`ssh.py`), a Unix socket (`local.py`), and HTTPS with tokens (`api.py`, `tokens.py`).

A line's way: `ssh.py` lets in the keys of `keyring.py`; `channel.py` gives `sessions.py`
what they type, and that makes lines of it, with `prompt.py` (the keys of a terminal) and
`completion.py` (Tab) at a prompt; `shell.py` checks, records and runs a line that
`parser.py` understood; `render.py` writes the answer. `manhole.py` is the Python prompt.
All but `ssh.py`, `local.py`, `channel.py`, `keyring.py` and `manhole.py` know no socket, file or clock:
that is why they are files of their own.
"""
