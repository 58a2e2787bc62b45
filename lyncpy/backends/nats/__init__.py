"""IBus on NATS: what the servers of one deployment tell and ask each other.

`frames` and `session` know the protocol and no socket; `credentials`, `address` and `client_tls` say who we are, where the
servers are, and how their certificates are checked; `link` keeps one connection up; `encoding` makes bytes of facts and
questions; `peers` and `questions` are about the other nodes; `bus` keeps the promise. `probe` is an operator's look.
"""
