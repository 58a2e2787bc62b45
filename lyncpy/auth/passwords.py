"""Passwords as a browser sends them, in plain text inside of TLS: against the NT hashes that SIP uses, or the directory."""

import hmac
from collections.abc import Awaitable
from typing import Final

from zope.interface import implementer

from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.objections import denial_of, refusal_of
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import NOBODY, IDirectoryPasswords, IPeople, ISecrets, Person, SignInObjection
from lyncpy.contracts.http import IPasswords
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.timers import ITimers

_NO_HASH: Final = bytes(16)
"""Stands in for the NT hash of nobody, so that an unknown user takes as long as a wrong password."""

PASSWORD_CHARACTERS: Final = 256
"""The longest password that is looked at; Windows knows no longer ones."""


@implementer(IPasswords)
class Passwords:
    """Verifies names and passwords, and says for operators why one does not hold.

    Args:
        secrets: Passwords that are known here. One that fits is right without a question.
        directory: Knows the others; None: nobody does.
    """

    def __init__(
        self, people: IPeople, secrets: ISecrets, timers: ITimers, directory: IDirectoryPasswords | None
    ) -> None:
        self._people = people
        self._secrets = secrets
        self._timers = timers
        self._directory = directory

    async def check(self, login: str, password: str, peer: str) -> Aor | AuthenticationDenied:
        """Give whose login and password these are; see the promise."""
        claimed = self._people.by_login("", login)
        person, secret = await secret_of(self._people, self._secrets, claimed, login)
        given = nt_hash(password[:PASSWORD_CHARACTERS])
        is_short = len(password) <= PASSWORD_CHARACTERS
        is_right = hmac.compare_digest(given, secret) and is_short
        if self._directory is not None and is_short and (not is_right or isinstance(person, AuthenticationDenied)):
            verdict = self._directory.check(claimed, password, peer)
            return await self._asked(verdict, claimed, login, unasked_of(person))
        if isinstance(person, AuthenticationDenied):
            return person
        if not is_right:
            return AuthenticationDenied(DenialReason.WRONG_PASSWORD, login, person.aor)
        return self._admitted(person, login)

    async def _asked(
        self,
        verdict: Awaitable[SignInObjection | None],
        claimed: Person | None,
        login: str,
        unasked: DenialReason,
    ) -> Aor | AuthenticationDenied:
        """Have the directory say; of nobody it is asked just as well.

        Args:
            verdict: What it says.
            unasked: What it is when it cannot.
        """
        aor = None if claimed is None else claimed.aor
        try:
            objection = await verdict
        except DirectoryUnavailable as error:
            return AuthenticationDenied(unasked, login, aor, detail=str(error))
        person = still_there(self._people, claimed)
        if person is None:
            return AuthenticationDenied(DenialReason.UNKNOWN_USER, login)
        if objection is not None:
            return denial_of(objection, person, login)
        return self._admitted(person, login)

    def _admitted(self, person: Person, login: str) -> Aor | AuthenticationDenied:
        """Give who has proved a password, if they may sign in."""
        return refusal_of(person, self._timers.wall(), login) or person.aor


async def secret_of(
    people: IPeople, secrets: ISecrets, person: Person | None, login: str
) -> tuple[Person | AuthenticationDenied, bytes]:
    """Give the NT hash with which a proof of the password is compared, and the person, or why nothing proves it.

    Compare before the denial is said: else it comes sooner than that of a wrong password.

    Args:
        person: Who has the login, as far as it is known.
        login: As the client wrote it.
    """
    # Nobody's secret is looked for just as well: without that an unknown name is answered milliseconds sooner.
    secret = await secrets.nt_hash(NOBODY if person is None else person.aor)
    person = still_there(people, person)
    if person is None:
        return AuthenticationDenied(DenialReason.UNKNOWN_USER, login), _NO_HASH
    if not secret:
        return AuthenticationDenied(DenialReason.NO_PASSWORD_SET, login, person.aor), _NO_HASH
    return person, secret


def unasked_of(person: Person | AuthenticationDenied) -> DenialReason:
    """Give what it is when the directory cannot be asked about a proof that does not fit what is kept here.

    Args:
        person: What `secret_of` gave: a person has a password here.
    """
    kept = isinstance(person, Person)
    return DenialReason.NOT_THE_KEPT_ONE if kept else DenialReason.DIRECTORY_UNAVAILABLE


def still_there(people: IPeople, person: Person | None) -> Person | None:
    """Give a person as they are after a wait: a pull may have come between.

    None: they have the address no more; who has it now is somebody else, whose password nobody has given.
    """
    now: Person | None = None if person is None else people.person(person.aor)
    return now if now is not None and person is not None and now.key == person.key else None
