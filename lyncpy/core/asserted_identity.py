"""What this server vouches for when it passes on what one user says to another, and what it lets pass.

The rules are a table in `sip.trust`. What they need to know is kept here: the directory's names,
and who has referred whom a moment ago.
"""

from collections.abc import Collection
from functools import partial
from typing import Final

from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import parse_name_addr
from lyncpy.sip.message import Headers
from lyncpy.sip.trust import asserting, is_backed, unbacked

REFERRAL_S: Final = 300.0
"""How long somebody who was referred may say so: a person looks at the question before the client calls."""

REFERRALS_PER_USER: Final = 64
"""People whom one user may have referred in that time; one more is not noted, and calls without saying so."""

IDENTITIES_KEPT: Final = 4_096
"""Identities that are kept written; when one more comes, all are written anew."""

_REFERRED_BY: Final = "referred-by"

_UNQUOTABLE: Final = {**dict.fromkeys((*range(32), 127)), ord("\\"): None, ord('"'): "'", ord(","): " "}


class AssertedIdentity:
    """Asserts the identity of a request's sender, and of the user who referred the sender."""

    def __init__(self, people: IPeople, timers: ITimers) -> None:
        self._people = people
        self._timers = timers
        self._referred: dict[Aor, dict[Aor, float]] = {}
        """By who referred: whom, and until when they may say so, in monotonic seconds."""

        self._written: dict[Aor, tuple[Person, str]] = {}
        """The identity of each who spoke lately, and of what the directory said of them when it was written."""

    def identity(self, aor: Aor) -> str:
        """Give the P-Asserted-Identity that this server vouches for (RFC 3325 §9.1)."""
        person = self._people.person(aor)
        written = self._written.get(aor)
        if written is not None and written[0] is person:  # the directory gives another object when anything changed
            return written[1]
        text = asserted(person, aor)
        if person is not None:
            if len(self._written) >= IDENTITIES_KEPT:
                self._written.clear()
            self._written[aor] = person, text
        return text

    def unbacked(self, headers: Headers, sender: Aor) -> Collection[str]:
        """Name the fields of a user's message that must not reach another user; see `sip.trust`."""
        removed, checked = asserting(headers.layout)  # nearly always there is nothing to be checked
        return unbacked(headers, partial(self._may_refer, sender)) if checked else removed

    def referred(self, referrer: Aor, whom: Aor) -> None:
        """Note that a user has referred another to an address: for a while, the other may name the referrer.

        Spec: RFC 3892 §2.1.
        """
        mine = self._referred.setdefault(referrer, {})
        is_new = whom not in mine
        if is_new and len(mine) >= REFERRALS_PER_USER:
            return
        mine[whom] = self._timers.now() + REFERRAL_S
        if is_new:
            self._timers.later(REFERRAL_S, lambda: self._look_at(referrer, whom))

    def referrer(self, headers: Headers, sender: Aor) -> Aor | None:
        """Give who has referred a sender, where a message of theirs says so and it is true."""
        value = headers.get(_REFERRED_BY)
        if value is None or not is_backed(_REFERRED_BY, headers, partial(self._may_refer, sender)):
            return None
        return aor_of(parse_name_addr(value).uri)

    def _may_refer(self, sender: Aor, uri: str) -> bool:
        try:
            referrer = aor_of(uri)
        except RemoteProtocolError:
            return False
        return referrer == sender or sender in self._referred.get(referrer, ())

    def _look_at(self, referrer: Aor, whom: Aor) -> None:
        mine = self._referred[referrer]
        left_s = mine[whom] - self._timers.now()
        if left_s > 0:
            self._timers.later(left_s, lambda: self._look_at(referrer, whom))
            return
        del mine[whom]
        if not mine:
            del self._referred[referrer]


def asserted(person: Person | None, aor: Aor) -> str:
    """Write a P-Asserted-Identity value: the address with the directory's name, and the phone line.

    Client: it reads both from one header, separated by a comma, and signs over them.
    """
    quoted = "" if person is None else person.display_name.translate(_UNQUOTABLE)
    text = f'"{quoted}" <{aor}>' if quoted else f"<{aor}>"
    if person is not None and person.line.startswith("tel:"):
        text += f",<{person.line}>"
    return text
