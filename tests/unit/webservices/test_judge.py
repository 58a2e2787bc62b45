"""Who may sign in with which certificate, and why not."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.task import Clock

from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.certificates import StandingCertificate
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.workloads.webservices.authority import PeopleAuthority
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.judge import CertificateJudge
from lyncpy.workloads.webservices.model.certificates import KeyRequest, issue, new_authority
from lyncpy.workloads.webservices.model.issued import Issued, IssuedCertificate
from lyncpy.workloads.webservices.tickets import PasswordMarks
from tests.kit.archive import PlainStamps
from tests.kit.directory import PlainSeals
from tests.kit.gatehouse import WALL, TablePeople, TableSecrets, timers_of
from tests.kit.key_pairs import SameKey, key_of
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressOwners
from tests.kit.results import result_of

ALICE = Aor("sip:alice@example.test")
BOB = Aor("sip:bob@example.test")
DAY_S = 86_400.0


class Nobody(AddressOwners):
    """Owners of whom nobody has an address any more."""

    def address(self, owner: OwnerId) -> Aor | None:
        """Give none."""
        return None


class Court:
    """A judge, and what Alice was issued: one certificate for a day, in her record."""

    def __init__(self, owners: AddressOwners | None = None) -> None:
        self.clock = Clock()
        timers, self.owners = timers_of(self.clock), owners or AddressOwners()
        store, writers = MemoryStore(timers.steady), KeyedLock(timers)
        self.secrets, self.people = (
            TableSecrets({ALICE: bytes(16)}),
            TablePeople(Person(ALICE, "1", password_set="once")),
        )
        self.marks = PasswordMarks(self.secrets, self.people, self.owners, PlainStamps())
        self.issued = IssuedTable(store, writers)
        authority = PeopleAuthority(store, PlainSeals(), SameKey(), writers, timers, 3600)
        self.judge = CertificateJudge(self.owners, self.issued, authority, self.marks, timers)
        request = KeyRequest(key_of("alice").public_key(), "key")
        owner = self.owners.owner(ALICE)
        made = issue(result_of(authority.current()), request, ALICE, owner, WALL, WALL + DAY_S)
        self.der = made.der
        mark = result_of(self.marks.mark(ALICE)).hex()
        one = IssuedCertificate(made.digest, made.serial, "d", WALL, WALL + DAY_S, mark)
        self.record(one)

    def record(self, *certificates: IssuedCertificate) -> None:
        """Have this in Alice's record and nothing else."""
        result_of(self.issued.change(self.owners.owner(ALICE), lambda _: Issued(0, certificates)))

    def says(self, der: bytes | None = None, aor: Aor = ALICE) -> AuthenticationDenied | StandingCertificate:
        """Judge."""
        return result_of(self.judge.judge(self.der if der is None else der, aor))

    def reason(self, der: bytes | None = None, aor: Aor = ALICE) -> DenialReason:
        """Give why a certificate is not good."""
        said = self.says(der, aor)
        assert isinstance(said, AuthenticationDenied)
        return said.reason


def test_what_stands_is_good() -> None:
    """Until its end, which is told."""
    court = Court()
    digest = x509.load_der_x509_certificate(court.der).fingerprint(hashes.SHA256()).hex()
    assert court.says() == StandingCertificate(digest, WALL + DAY_S)
    court.clock.advance(DAY_S)
    assert court.reason() == DenialReason.EXPIRED_CERTIFICATE


def test_another_password_makes_it_worthless() -> None:
    """Even before what the old one opened has been revoked."""
    court = Court()
    court.secrets.table[ALICE] = b"another password"
    assert court.reason() == DenialReason.OUTDATED_CERTIFICATE


def test_it_is_nobody_elses() -> None:
    """In the record or out of it; the operator is told whose it is, if anybody's."""
    court = Court()
    for _ in range(2):
        said = court.says(aor=BOB)
        assert isinstance(said, AuthenticationDenied)
        assert (said.reason, said.account, said.aor) == (DenialReason.NOT_THIS_USER, "alice@example.test", ALICE)
        court.record()
    gone = Court(Nobody()).says(aor=BOB)
    assert isinstance(gone, AuthenticationDenied)
    assert (gone.reason, gone.account, gone.aor) == (DenialReason.NOT_THIS_USER, "", None)


def test_what_is_in_no_record_was_revoked_or_has_ended() -> None:
    """Who signed it tells that it was one of ours."""
    court = Court()
    court.record()
    assert court.reason() == DenialReason.REVOKED_CERTIFICATE
    court.clock.advance(DAY_S)
    assert court.reason() == DenialReason.EXPIRED_CERTIFICATE


def test_what_others_have_signed_is_not_ours() -> None:
    """Whatever it says of itself; nor is what is no certificate."""
    court = Court()
    request = KeyRequest(key_of("mallory").public_key(), "key")
    other = new_authority(key_of("mallory"), WALL)
    forged = issue(other, request, ALICE, court.owners.owner(ALICE), WALL, WALL + DAY_S)
    assert court.reason(forged.der) == DenialReason.UNKNOWN_CERTIFICATE
    assert court.reason(other.certificate.public_bytes(Encoding.DER)) == DenialReason.UNKNOWN_CERTIFICATE
    assert court.reason(b"no certificate") == DenialReason.UNKNOWN_CERTIFICATE


def test_a_certificate_ends_when_the_directory_says_that_the_password_was_set_again() -> None:
    """Though nobody here has ever seen it."""
    court = Court()
    court.people.table[ALICE] = Person(ALICE, "1", password_set="twice")
    denied = result_of(court.judge.judge(court.der, ALICE))
    assert isinstance(denied, AuthenticationDenied)
    assert denied.reason is DenialReason.OUTDATED_CERTIFICATE
