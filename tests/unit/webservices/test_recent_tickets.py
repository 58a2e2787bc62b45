"""A ticket that was admitted just now is not read again, unless something has changed."""

from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.owners import OwnerId
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.sip.markup import Element, read_xml
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.issued import IssuedCertificate, revoked, with_certificate, with_ticket
from lyncpy.workloads.webservices.model.tickets import TicketClaims
from lyncpy.workloads.webservices.recent_tickets import RECENT_MOST, RECENT_S, RecentTickets
from tests.kit.gatehouse import WALL, TablePeople, timers_of
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of, result_of, started

ALICE, OWNER = Aor("sip:alice@example.test"), OwnerId("1")
ASSERTION = read_xml(b"<a/>")


class Willing:
    """Admits every ticket, after what happens meanwhile."""

    def __init__(self, expires: int) -> None:
        self.ticket = TicketClaims("t", ALICE, OWNER, "https://x", 0, expires, 0, b"")
        self.meanwhile: list[Any] = []  # Any: awaitables

    async def admit(self, assertion: Element, audience: str) -> TicketClaims:
        """Admit it."""
        for one in self.meanwhile:
            await one
        return self.ticket


class HeldStore(MemoryStore):
    """Writes when it is told to, as a database does that is busy; until then what was there before is read."""

    gate: Deferred[None] | None = None

    def write(
        self, kind: str, key: str, value: bytes, expected: Version, expires: float | None = None
    ) -> Deferred[Version]:
        """Write it once the gate is open; where the gate fails, it is written all the same, and nobody is told."""

        async def held() -> Version:
            try:
                if self.gate is not None:
                    await self.gate
            finally:
                version = await super(HeldStore, self).write(kind, key, value, expected, expires)
            return version

        return started(held())


class Desk:
    """Recent tickets of one person."""

    def __init__(self) -> None:
        self.clock = Clock()
        timers = timers_of(self.clock)
        self.people = TablePeople(Person(ALICE, "1"))
        self.store = HeldStore(timers.steady)
        self.issued = IssuedTable(self.store, KeyedLock(timers))
        self.willing = Willing(int(WALL) + 600)
        self.recent = RecentTickets(cast(Any, self.willing), self.people, self.issued, timers)  # Any: what it calls

    def admit(self, shown: bytes, note: bytes = b"note") -> None:
        """Admit a ticket that is shown by some bytes."""
        result_of(self.recent.admit(ASSERTION, "https://x", shown, note))

    def known(self, shown: bytes = b"1", audience: str = "https://x") -> bytes | None:
        """Give what is known of such bytes."""
        return self.recent.known(shown, audience)


def test_the_same_bytes_are_known_for_a_moment() -> None:
    """For the same service, and no others."""
    desk = Desk()
    desk.admit(b"1")
    assert (desk.known(), desk.known(b"2"), desk.known(audience="https://y")) == (b"note", None, None)
    desk.clock.advance(RECENT_S - 0.1)
    assert desk.known() == b"note"
    desk.clock.advance(0.1)
    assert desk.known() is None
    desk.admit(b"")
    assert desk.known(b"") is None


def test_who_has_changed_is_looked_at_again() -> None:
    """And whatever was revoked, for all: it happens rarely."""
    desk = Desk()
    desk.admit(b"1")
    desk.people.table[ALICE] = Person(ALICE, "1", title="Director")
    assert desk.known() is None
    desk.admit(b"1")
    assert desk.known() == b"note"
    result_of(desk.issued.change(OWNER, revoked))
    assert desk.known() is None


def test_what_is_revoked_while_a_ticket_is_looked_at_counts() -> None:
    """Whether it was seen or not."""
    desk = Desk()
    desk.willing.meanwhile = [desk.issued.change(OWNER, revoked)]
    desk.admit(b"1")
    assert desk.known() is None


@pytest.mark.parametrize("failure", [None, ConnectionError("the answer was lost")])
def test_who_is_admitted_while_a_revocation_is_written_is_looked_at_again(failure: Exception | None) -> None:
    """They were admitted by the record of before; also when nobody knows whether the new one was written."""
    desk = Desk()
    gate = desk.store.gate = Deferred()
    over = started(desk.issued.change(OWNER, revoked))
    desk.admit(b"1")
    if failure is None:
        gate.callback(None)
        assert answer_of(over).round == 1
    else:
        gate.errback(failure)
        with pytest.raises(ConnectionError):
            answer_of(over)
    assert desk.known() is None


def test_what_is_issued_to_somebody_ends_nothing() -> None:
    """Neither their first ticket nor a certificate: in a morning these come by the hundred a second."""
    desk = Desk()
    desk.admit(b"1")
    certificate = IssuedCertificate("d", "s", "device", WALL, WALL + 600, "")
    for owner in (OWNER, OwnerId("2")):
        result_of(desk.issued.change(owner, with_ticket))
        result_of(desk.issued.change(owner, lambda issued: with_certificate(issued, certificate, 4, WALL)))
    assert desk.known() == b"note"


def test_a_ticket_that_expires_is_known_no_more() -> None:
    """To the second."""
    desk = Desk()
    desk.willing.ticket = TicketClaims("t", ALICE, OWNER, "https://x", 0, int(WALL) + 1, 0, b"")
    desk.admit(b"1")
    assert desk.known() == b"note"
    desk.clock.advance(1)
    assert desk.known() is None


@pytest.mark.parametrize("shown", [RECENT_MOST])
def test_no_more_than_so_many_are_remembered(shown: int) -> None:
    """Of more the first ones are read again."""
    desk = Desk()
    for number in range(shown + 1):
        desk.admit(b"%d" % number)
    assert desk.known(b"0") is None
    assert desk.known(b"1") == b"note"


def test_what_was_admitted_again_is_not_the_first_to_go() -> None:
    """Its five seconds begin anew."""
    desk = Desk()
    for number in range(RECENT_MOST):
        desk.admit(b"%d" % number)
    desk.admit(b"0")
    desk.admit(b"another")
    assert (desk.known(b"0"), desk.known(b"1"), desk.known(b"2")) == (b"note", None, b"note")
