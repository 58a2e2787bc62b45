"""Passwords as a browser sends them, in plain text inside of TLS, against the NT hashes that SIP uses."""

import hmac
from typing import Final

from zope.interface import implementer

from lyncpy.auth.ntlm import nt_hash
from lyncpy.contracts.authenticator import Denied
from lyncpy.contracts.directory import NOBODY, IPeople, ISecrets
from lyncpy.contracts.http import IPasswords
from lyncpy.contracts.names import Aor

_NO_HASH: Final = bytes(16)

PASSWORD_CHARACTERS: Final = 256
"""The longest password that is looked at; Windows knows no longer ones."""


@implementer(IPasswords)
class Passwords:
    """Compares, and tells an operator what was wrong."""

    def __init__(self, people: IPeople, secrets: ISecrets) -> None:
        """Take who there is and where their secrets are."""
        self._people = people
        self._secrets = secrets

    async def check(self, login: str, password: str) -> Aor | Denied:
        """Give whose login and password these are."""
        person = self._people.by_login("", login)
        secret = await self._secrets.nt_hash(person.aor if person is not None else NOBODY)
        given = nt_hash(password[:PASSWORD_CHARACTERS])
        is_right = hmac.compare_digest(given, secret or _NO_HASH) and len(password) <= PASSWORD_CHARACTERS
        if person is None:
            return Denied("unknown user", login)
        if not secret:
            return Denied("no password set", login, person.aor)
        if not is_right:
            return Denied("wrong password", login, person.aor)
        if not person.enabled:
            return Denied("disabled", login, person.aor)
        return person.aor
