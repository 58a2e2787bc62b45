"""Passwords as a browser sends them, in plain text inside of TLS, against the NT hashes that SIP uses."""

import hmac
from typing import Final

from zope.interface import implementer

from lyncpy.auth.ntlm import nt_hash
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import NOBODY, IPeople, ISecrets, Person, objection_to
from lyncpy.contracts.http import IPasswords
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers

_NO_HASH: Final = bytes(16)

PASSWORD_CHARACTERS: Final = 256
"""The longest password that is looked at; Windows knows no longer ones."""


@implementer(IPasswords)
class Passwords:
    """Verifies names and passwords, and says for operators why one does not hold."""

    def __init__(self, people: IPeople, secrets: ISecrets, timers: ITimers) -> None:
        self._people = people
        self._secrets = secrets
        self._timers = timers

    async def check(self, login: str, password: str) -> Aor | AuthenticationDenied:
        """Give whose login and password these are."""
        person = self._people.by_login("", login)
        secret = await self._secrets.nt_hash(person.aor if person is not None else NOBODY)
        person = still(self._people, person)
        given = nt_hash(password[:PASSWORD_CHARACTERS])
        is_right = hmac.compare_digest(given, secret or _NO_HASH) and len(password) <= PASSWORD_CHARACTERS
        if person is None:
            return AuthenticationDenied(DenialReason.UNKNOWN_USER, login)
        if not secret:
            return AuthenticationDenied(DenialReason.NO_PASSWORD_SET, login, person.aor)
        if not is_right:
            return AuthenticationDenied(DenialReason.WRONG_PASSWORD, login, person.aor)
        objection = objection_to(person, self._timers.wall())
        if objection is not None:
            return AuthenticationDenied(objection.reason, login, person.aor, detail=objection.words)
        return person.aor


def still(people: IPeople, person: Person | None) -> Person | None:
    """Give a person as they are after a wait: a pull may have come between.

    None: they have the address no more; who has it now is somebody else, whose password nobody has given.
    """
    now: Person | None = None if person is None else people.person(person.aor)
    return now if now is not None and person is not None and now.key == person.key else None
