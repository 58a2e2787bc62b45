"""Another password than before is noticed when it is sent."""

from twisted.internet.task import Clock

from lyncpy.contracts.directory import Person
from lyncpy.contracts.facts import CertificatesRevoked
from lyncpy.contracts.names import Aor
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.issued import Issued, IssuedCertificate, with_certificate
from lyncpy.workloads.webservices.sent_passwords import SentPasswords
from tests.kit.archive import PlainStamps
from tests.kit.bus import ToldBus
from tests.kit.gatehouse import TablePeople, TableSecrets, timers_of
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressOwners
from tests.kit.results import result_of

ALICE = Aor("sip:alice@example.test")
ONE = IssuedCertificate("digest", "s", "d", 0.0, 1e12, "")


class Office:
    """Alice, who sends passwords."""

    def __init__(self, *, nt_hash: bytes | None = None, is_there: bool = True) -> None:
        timers, self.owners = timers_of(Clock()), AddressOwners()
        people = TablePeople(*([Person(ALICE, "1")] if is_there else []))
        self.bus = ToldBus()
        self.issued = IssuedTable(MemoryStore(timers.steady), KeyedLock(timers))
        secrets = TableSecrets({} if nt_hash is None else {ALICE: nt_hash})
        self.desk = SentPasswords(people, self.owners, secrets, self.issued, PlainStamps(), self.bus)

    def sends(self, password: str) -> Issued:
        """Send one, and see what is kept."""
        result_of(self.desk.note(ALICE, password))
        return result_of(self.issued.read(self.owners.owner(ALICE)))

    def gets_certificate(self) -> None:
        """Have one from here on."""
        owner = self.owners.owner(ALICE)
        result_of(self.issued.change(owner, lambda issued: with_certificate(issued, ONE, 2, 0.0)))


def test_another_password_ends_certificates_and_tells_of_them() -> None:
    """Once; the first that is known, and the same one again, end nothing."""
    office = Office()
    office.sends("the old one")
    office.gets_certificate()
    assert office.sends("the old one").certificates == (ONE,)
    assert office.sends("the new one").certificates == ()
    assert office.sends("the new one").round == 1
    assert office.bus.facts == [CertificatesRevoked(ALICE, frozenset({"digest"}))]


def test_of_a_password_too_little_is_kept_to_find_it_out() -> None:
    """Sixteen bits, the same ones for the same password."""
    assert Office().sends("the old one") == Office().sends("the old one")
    assert len(bytes.fromhex(Office().sends("the old one").password)) == 2


def test_where_a_hash_is_known_nothing_is_kept() -> None:
    """Its change is known, too. Nor of who has left."""
    for office in (Office(nt_hash=bytes(16)), Office(is_there=False)):
        assert office.sends("one") == office.sends("two") == Issued()
