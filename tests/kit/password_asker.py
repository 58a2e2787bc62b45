"""Asks a directory about passwords, as the site does, and says what it makes of the answers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.task import Clock

from lyncpy.backends.ldap_access import access_of
from lyncpy.backends.ldap_link import LdapConnection
from lyncpy.backends.ldap_passwords import LdapPasswords
from lyncpy.backends.threads import Threads
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.settings import Settings
from tests.kit.office import LdapServer
from tests.kit.threads import ThreadPump

Ask = Callable[[str, str], str]
"""DN and password → the reason why not; "" for a password that is right."""


@contextmanager
def asker(server: LdapServer, **settings: Any) -> Iterator[Ask]:  # Any: what Settings takes
    """Give what asks a server, by DN and password, and says the reason, or "" for a password that is right."""
    pump = ThreadPump()
    terms = Settings(**{"url": server.url, "answer_timeout_s": 1, "connect_timeout_s": 1, **settings})
    threads = [Threads(pump, f"password {n}") for n in range(2)]
    passwords = LdapPasswords(
        terms, lambda: access_of(terms, server.folder), LdapConnection, threads, Timers(Clock(), time.time)
    )

    def ask(dn: str, password: str) -> str:
        verdict = pump.run(
            passwords.check(Person(Aor("sip:somebody@example.com"), "1", source=dn), password, "192.0.2.1")
        )
        return "" if verdict is None else verdict.reason

    try:
        yield ask
    finally:
        pump.run(passwords.close())
