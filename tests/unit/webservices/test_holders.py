"""Whose a certificate or a ticket is, when a pull comes between two looks."""

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.workloads.webservices.holders import CertificateHolders
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.certificates import ShownCertificate
from lyncpy.workloads.webservices.model.issued import Issued, IssuedCertificate
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.tickets import PasswordMarks, WebTickets
from tests.kit.archive import PlainStamps
from tests.kit.gatehouse import TablePeople, TableSecrets, timers_of
from tests.kit.key_pairs import key_of
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressOwners
from tests.kit.results import result_of

ALICE = Aor("sip:alice@example.test")


class Gone(AddressOwners):
    """Owners of whom nobody has an address any more."""

    def address(self, owner: OwnerId) -> Aor | None:
        """Give none."""
        return None


class Leaving(TableSecrets):
    """Secrets that are given when everybody has left."""

    people: TablePeople

    async def nt_hash(self, aor: Aor) -> bytes | None:
        """Let everybody leave, then give a user's hash."""
        self.people.table.clear()
        return self.table.get(aor)


@pytest.mark.parametrize(("owners", "reason"), [(Gone(), "nobody has"), (AddressOwners(), "is disabled")])
def test_who_left_has_no_certificate(owners: AddressOwners, reason: str) -> None:
    """Whether before it was shown, or while it was looked up."""
    timers = timers_of(Clock())
    people, secrets = TablePeople(Person(ALICE, "1")), Leaving({ALICE: bytes(16)})
    secrets.people = people
    issued = IssuedTable(MemoryStore(timers.steady), KeyedLock(timers))
    owner = owners.owner(ALICE)
    one = IssuedCertificate("digest", "s", "d", 0.0, 1e12, "")
    result_of(issued.change(owner, lambda _: Issued(0, (one,))))
    holders = CertificateHolders(people, owners, issued, PasswordMarks(secrets, people, owners, PlainStamps()), timers)
    with pytest.raises(ServiceRefused, match=reason):
        result_of(holders.holder(ShownCertificate("digest", owner, key_of("alice").public_key())))


def test_who_leaves_meanwhile_gets_no_ticket() -> None:
    """One that would count when they are back; of one that was given before they left it is written that it has ended."""
    timers = timers_of(Clock())
    people, secrets, owners = TablePeople(Person(ALICE, "1")), Leaving({ALICE: bytes(16)}), AddressOwners()
    secrets.people = people
    issued = IssuedTable(MemoryStore(timers.steady), KeyedLock(timers))
    marks = PasswordMarks(secrets, people, owners, PlainStamps())
    tickets = WebTickets(people, owners, issued, marks, PlainStamps(), timers, 600)
    with pytest.raises(ServiceRefused, match="disabled meanwhile"):
        result_of(tickets.issue(ALICE, "https://x", "https://y", b""))
