"""Handshakes of TLS-DSK: with a client by hand, and with clients that cheat."""

import re
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.auth.association import Association
from lyncpy.auth.inner_contexts import InnerContexts
from lyncpy.auth.settings import Settings
from lyncpy.auth.tls_dsk import TlsDskAuthenticator
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, DenialReason
from lyncpy.contracts.certificates import IClientCertificates, StandingCertificate
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.sip.message import Headers, Request, Response
from tests.kit.certificates import Issued, Key, issue
from tests.kit.gatehouse import WALL, TablePeople, request_of, timers_of
from tests.kit.inner_tls import Shown
from tests.kit.key_pairs import SameKey, key_of
from tests.kit.results import result_of, started
from tests.kit.tls_dsk_client import TlsDskClient

ALICE = Aor("sip:alice@contoso.test")
TODAY = datetime.fromtimestamp(WALL, UTC)
PLACE = "https://fe1.contoso.test/CertProv/CertProvisioningService.svc"
DEVICE = issue("alice", today=TODAY, key=key_of("alice"))
Outcome = Challenge | AuthenticationDenied | Association


@implementer(IClientCertificates)
class TableCertificates:
    """Certificates from a dictionary; who is not in there has none."""

    def __init__(self) -> None:
        self.table: dict[tuple[bytes, Aor], StandingCertificate] = {}
        self.reason = DenialReason.REVOKED_CERTIFICATE
        self.waits: Deferred[None] | None = None

    async def judge(self, certificate: bytes, aor: Aor) -> StandingCertificate | AuthenticationDenied:
        """Look it up."""
        if self.waits is not None:
            await self.waits
        return self.table.get((certificate, aor)) or AuthenticationDenied(self.reason, aor=aor)


class Desk:
    """An authenticator with one user, who has one certificate."""

    def __init__(self, person: Person | None = None, key: Key | None = None, **settings: object) -> None:
        self.clock = Clock()
        timers = timers_of(self.clock)
        self.shown = Shown(issue("fe1.contoso.test", today=TODAY, key=key or key_of("server")))
        self.pairs = SameKey()
        self.certificates = TableCertificates()
        self.contexts = InnerContexts(lambda: self.shown, self.pairs, "fe1.contoso.test", timers)
        self.has(DEVICE)
        self.locks = TlsDskAuthenticator(
            TablePeople(person or Person(ALICE, "1")),
            self.certificates,
            self.contexts,
            Settings.model_validate(settings),
            "fe1.contoso.test",
            PLACE,
            timers,
        )

    def has(self, device: Issued, until: float = WALL + 1e7) -> None:
        """Put a certificate into Alice's record."""
        der = device.certificate.public_bytes(Encoding.DER)
        self.certificates.table[der, ALICE] = StandingCertificate("digest", until)

    def step(self, request: Request, flow: str = "f/1", now: float = 0.0) -> Outcome:
        """Hand over a REGISTER's credentials."""
        outcome: Outcome = result_of(
            self.locks.step(Arrival(request, FlowName(flow), "192.0.2.1", now), proof_of(request))
        )
        return outcome

    def sign_in(self, client: TlsDskClient, steps: int = 3, aor: str = ALICE) -> Outcome:
        """Go through the handshake, or some steps of it."""
        outcome: Outcome = Challenge(self.locks.initial())
        for number in range(steps):
            assert isinstance(outcome, Challenge)
            outcome = self.step(client.answer(request_of(aor, "REGISTER", number=2 + number), outcome.value))
        return outcome


def proof_of(request: Request) -> str:
    """Give the credentials of a request."""
    value = request.headers.get("Authorization")
    assert value is not None
    return value


def client(device: Issued = DEVICE, key: str = "alice") -> TlsDskClient:
    """Give a client that has this certificate."""
    return TlsDskClient(device.certificate, key_of(key))


def denial(outcome: Outcome) -> str:
    """Give the reason of a denial."""
    assert isinstance(outcome, AuthenticationDenied)
    return outcome.reason


def changed(request: Request, pattern: str, by: str) -> Request:
    """Give a REGISTER with other credentials."""
    value = re.sub(pattern, by, proof_of(request))
    assert value != proof_of(request)
    return request.edited(put=[("Authorization", value)])


def test_offers_itself_with_the_place_of_certificates() -> None:
    """Everything is quoted but the version."""
    assert Desk().locks.initial() == (
        f'TLS-DSK targetname="fe1.contoso.test", realm="SIP Communications Service", version=4, sts-uri="{PLACE}"'
    )


def test_lets_in_who_has_a_certificate() -> None:
    """Then both sides believe each other, as long as association and certificate last."""
    desk, alice = Desk(), client()
    outcome = desk.sign_in(alice)
    assert isinstance(outcome, Association)
    assert (outcome.identity.aor, outcome.identity.epid, outcome.identity.scheme) == (ALICE, "e1", "TLS-DSK")
    assert (outcome.expires, outcome.credential) == (28_800.0, "digest")
    request = alice.sign(request_of(ALICE, "SUBSCRIBE", ("Expires", "0")))
    assert outcome.verify(request, 0.0) is None
    answer = Response(200, "OK", request.headers)
    assert alice.verify(answer.edited(last=[outcome.sign(answer)], drop=["Authorization"]))
    assert not alice.verify(answer)
    assert len(desk.locks) == 0


def test_an_association_ends_with_its_certificate() -> None:
    """Even if that is soon."""
    desk = Desk()
    desk.has(DEVICE, WALL + 600.0)
    outcome = desk.sign_in(client())
    assert isinstance(outcome, Association)
    assert outcome.expires == 600.0


@pytest.mark.parametrize("steps", [2, 3])
def test_what_is_revoked_opens_nothing(steps: int) -> None:
    """Whether that was known when the key was proved, or comes before the end."""
    desk, alice = Desk(), client()
    if steps == 3:
        last = desk.sign_in(alice, 2)
        assert isinstance(last, Challenge)
        desk.certificates.table.clear()
        assert denial(desk.step(alice.answer(request_of(ALICE, "REGISTER", number=4), last.value))) == (
            "certificate revoked"
        )
    else:
        desk.certificates.table.clear()
        assert denial(desk.sign_in(alice, 2)) == "certificate revoked"
    assert len(desk.locks) == 0


def test_nobody_signs_in_as_another() -> None:
    """The certificate is not Bob's, and neither is it at the last step."""
    desk, alice = Desk(), client()
    bob = Aor("sip:bob@contoso.test")
    desk.certificates.reason = DenialReason.NOT_THIS_USER
    assert denial(desk.sign_in(client(), 2, bob)) == "not this user"
    last = desk.sign_in(alice, 2)
    assert isinstance(last, Challenge)
    assert denial(desk.step(alice.answer(request_of(bob, "REGISTER", number=4), last.value))) == "not this user"


@pytest.mark.parametrize(
    ("person", "reason"),
    [(Person(ALICE, "1", enabled=False), "disabled"), (Person(Aor("sip:bob@contoso.test"), "2"), "unknown user")],
)
def test_who_may_not_sign_in_is_told_after_the_proof(person: Person, reason: str) -> None:
    """A certificate is no better than the account."""
    desk = Desk(person)
    assert isinstance(desk.sign_in(client(), 1), Challenge)
    assert denial(desk.sign_in(client(), 2)) == reason


def test_a_stolen_certificate_is_worth_nothing_without_its_key() -> None:
    """The handshake fails, and the next one begins anew."""
    desk = Desk()
    outcome = desk.sign_in(client(key="mallory"), 2)
    assert denial(outcome) == "TLS handshake failed"
    assert isinstance(outcome, AuthenticationDenied)
    assert outcome.detail
    assert isinstance(desk.sign_in(client()), Association)


def test_a_recorded_sign_in_opens_nothing() -> None:
    """Neither as a whole on another connection, nor its end on the same one."""
    desk, alice = Desk(), client()
    first = alice.answer(request_of(ALICE, "REGISTER", number=2), desk.locks.initial())
    challenge = desk.step(first)
    assert isinstance(challenge, Challenge)
    second = alice.answer(request_of(ALICE, "REGISTER", number=3), challenge.value)
    challenge = desk.step(second)
    assert isinstance(challenge, Challenge)
    third = alice.answer(request_of(ALICE, "REGISTER", number=4), challenge.value)
    assert isinstance(desk.step(third), Association)
    assert desk.step(third) == Challenge(desk.locks.initial())
    other = desk.step(first, "f/2")
    assert isinstance(other, Challenge)
    assert denial(desk.step(second, "f/2")) == "expired challenge"
    opaque = re.findall('opaque="([^"]*)"', other.value)[0]
    renamed = changed(second, 'opaque="[^"]*"', f'opaque="{opaque}"')
    assert denial(desk.step(renamed, "f/2")) == "TLS handshake failed"
    assert desk.step(third, "f/2") == Challenge(desk.locks.initial())


def test_the_last_register_has_to_be_signed() -> None:
    """What is wrong ends the handshake; what has no signature ends nothing."""
    desk, alice = Desk(), client()
    last = desk.sign_in(alice, 2)
    assert isinstance(last, Challenge)
    signed = alice.answer(request_of(ALICE, "REGISTER", number=4), last.value)
    assert desk.step(changed(signed, ", crand=.*", "")) == Challenge(desk.locks.initial())
    assert denial(desk.step(changed(signed, 'response="....', 'response="0000'))) == "malformed"
    assert desk.step(signed) == Challenge(desk.locks.initial())


@pytest.mark.parametrize(
    ("pattern", "by"),
    [(", version=4", ", version=5"), ("realm=.*", "realm"), ("TLS-DSK ", 'TLS-DSK realm="x", ')],
)
def test_what_cannot_be_read_is_malformed(pattern: str, by: str) -> None:
    """Each with words for the operator."""
    desk, alice = Desk(), client()
    last = desk.sign_in(alice, 2)
    assert isinstance(last, Challenge)
    signed = alice.answer(request_of(ALICE, "REGISTER", number=4), last.value)
    outcome = desk.step(changed(signed, pattern, by))
    assert outcome == Challenge(desk.locks.initial()) or denial(outcome) == "malformed"


def test_a_register_without_a_sender_is_malformed() -> None:
    """From is read in every step."""
    desk = Desk()
    request = client().answer(request_of(ALICE, "REGISTER"), desk.locks.initial())
    broken = Request("REGISTER", request.uri, Headers([("From", "<"), ("Authorization", proof_of(request))]))
    assert denial(desk.step(broken)) == "malformed"


def test_the_last_register_may_have_an_empty_token() -> None:
    """It says no more than none does."""
    desk, alice = Desk(), client()
    last = desk.sign_in(alice, 2)
    assert isinstance(last, Challenge)
    signed = alice.answer(request_of(ALICE, "REGISTER", number=4), last.value)
    assert isinstance(desk.step(changed(signed, ", version=4", ', gssapi-data="", version=4')), Association)


def test_another_servers_credentials_begin_anew() -> None:
    """So does an empty token: the first word is the client's."""
    desk = Desk()
    desk.sign_in(client(), 1)
    for value in (
        'TLS-DSK realm="elsewhere", targetname="fe1.contoso.test", gssapi-data="AAAA"',
        'TLS-DSK realm="SIP Communications Service", targetname="fe1.contoso.test", gssapi-data=""',
    ):
        request = request_of(ALICE, "REGISTER", ("Authorization", value))
        assert desk.step(request) == Challenge(desk.locks.initial())
    assert len(desk.locks) == 0


def test_a_handshake_ends_in_time() -> None:
    """And belongs to its connection."""
    desk, alice = Desk(), client()
    challenge = desk.sign_in(alice, 1)
    assert isinstance(challenge, Challenge)
    second = alice.answer(request_of(ALICE, "REGISTER", number=3), challenge.value)
    assert denial(desk.step(second, now=60.0)) == "expired challenge"
    assert denial(desk.step(second, "f/2")) == "expired challenge"
    desk.locks.drop_handshake("f/1")
    desk.locks.drop_handshake("f/9")
    assert denial(desk.step(second)) == "expired challenge"


def test_handshakes_are_bounded() -> None:
    """The oldest goes, and what is out of time goes first."""
    desk = Desk(handshakes=10)
    for number in range(25):
        desk.step(client().answer(request_of(ALICE, "REGISTER"), desk.locks.initial()), f"f/{number}", float(number))
    assert len(desk.locks) == 10
    for number in range(8):
        desk.step(client().answer(request_of(ALICE, "REGISTER"), desk.locks.initial()), f"g/{number}", 1000.0)
    assert len(desk.locks) < 10


def test_what_handshakes_need_is_made_before_the_first_client_comes() -> None:
    """Also the RSA key of a server whose certificate has none: nobody's handshake waits for it, or is charged with it."""
    desk = Desk(key=ec.generate_private_key(ec.SECP256R1()))
    result_of(desk.contexts.open())
    assert desk.pairs.asked == 1
    desk.pairs.waits = Deferred()
    assert isinstance(desk.sign_in(client()), Association)
    assert desk.pairs.asked == 1
    result_of(desk.contexts.close())


def test_who_leaves_while_a_key_is_made_leaves_nothing_behind() -> None:
    """A handshake that comes before there is one waits for it."""
    desk = Desk(key=ec.generate_private_key(ec.SECP256R1()))
    request = client().answer(request_of(ALICE, "REGISTER"), desk.locks.initial())
    desk.pairs.waits = Deferred()
    steps = [
        started(desk.locks.step(Arrival(request, FlowName(f"f/{n}"), "192.0.2.1", 0.0), proof_of(request)))
        for n in range(3)
    ]
    desk.locks.drop_handshake("f/0")
    desk.pairs.waits.callback(None)
    outcomes: list[Outcome] = []
    for step in steps:
        _ = step.addCallback(outcomes.append)
    assert denial(outcomes[0]) == "expired challenge"
    assert isinstance(outcomes[1], Challenge)
    assert desk.pairs.asked == 1
    assert isinstance(desk.sign_in(client()), Association)


def test_the_certificate_that_is_shown_follows_the_servers() -> None:
    """A renewed one is shown from the next handshake on."""
    desk = Desk()
    for shown in (desk.shown, Shown(issue("fe1.contoso.test", today=TODAY, key=key_of("mallory")))):
        desk.shown, alice = shown, client()
        assert isinstance(desk.sign_in(alice), Association)
        assert alice.shown == shown.certificate
    assert desk.pairs.asked == 0
