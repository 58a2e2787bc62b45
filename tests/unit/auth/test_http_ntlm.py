"""NTLM over HTTP, with a foreign client, and with clients that cheat."""

import base64
import hmac
import struct

import pytest
import spnego
from twisted.internet.task import Clock

from lyncpy.auth.http_ntlm import NtlmHandshakes
from lyncpy.auth.ntlm import nt_hash, ntowf_v2
from lyncpy.auth.settings import Settings
from lyncpy.contracts.authenticator import AuthenticationDenied
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.core.timers import Timers
from lyncpy.sip.errors import RemoteProtocolError
from tests.kit.directory import FakeDomain
from tests.kit.gatehouse import WALL, TablePeople, TableSecrets
from tests.kit.ntlm_client import ANSWERED_FLAGS, write_authenticate
from tests.kit.results import result_of

ALICE, DAN = Aor("sip:alice@contoso.test"), Aor("sip:dan@contoso.test")
PASSWORD = "Passw0rd!"
NTLM_ALONE = spnego.NegotiateOptions.use_ntlm


class Desk:
    """Handshakes of two people; Dan is disabled."""

    def __init__(self, *, wall: float = WALL, domain: FakeDomain | None = None, **settings: object) -> None:
        self.clock = Clock()
        people = TablePeople(Person(ALICE, "1", logins=("CONTOSO\\alice",)), Person(DAN, "2", enabled=False))
        secrets = TableSecrets({ALICE: nt_hash(PASSWORD), DAN: nt_hash(PASSWORD)})
        # The foreign client answers with the server's clock when it is told that.
        rules = Settings.model_validate({"challenge_time": True, **settings})
        self.handshakes = NtlmHandshakes(
            people,
            secrets,
            rules,
            "fe1.contoso.test",
            "contoso.test",
            "https://meet.contoso.test:4443",
            Timers(self.clock, lambda: wall),
            domain,
        )

    def answer(
        self, user: str, password: str = PASSWORD, connection: str = "http/1", meant: str = "HTTP/fe1.contoso.test"
    ) -> str:
        """Have a challenge made and give the answer of a foreign client to it.

        Args:
            meant: The service that the client believes to speak to.
        """
        service, _, host = meant.partition("/")
        client = spnego.client(user, password, host, service, protocol="ntlm", options=NTLM_ALONE)
        first = client.step()
        assert first is not None
        challenge = self.handshakes.challenge(connection, base64.b64encode(first).decode())
        assert challenge is not None
        last = client.step(base64.b64decode(challenge))
        assert last is not None
        return base64.b64encode(last).decode()

    def check(self, token: str, connection: str = "http/1") -> str:
        """Give who it is, or the reason of a denial."""
        assert self.handshakes.challenge(connection, token) is None
        found = result_of(self.handshakes.check(connection, token, "192.0.2.1"))
        return found.reason if isinstance(found, AuthenticationDenied) else found


@pytest.mark.parametrize("user", ["alice@contoso.test", "CONTOSO\\alice"])
def test_a_foreign_client_proves_its_password(user: str) -> None:
    """No keys are exchanged for it; the name is found as over SIP."""
    desk = Desk()
    token = desk.answer(user)
    domain, name = desk.handshakes.account(token)
    assert (f"{domain}\\{name}" if domain else name) == user
    assert desk.check(token) == ALICE


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        ("alice@contoso.test", "not it", "wrong password"),
        ("nobody@contoso.test", PASSWORD, "unknown user"),
        ("dan@contoso.test", PASSWORD, "disabled"),
        ("dan@contoso.test", "not it", "wrong password"),
    ],
)
def test_a_denial_has_its_reason(user: str, password: str, reason: str) -> None:
    """What is wrong besides the password is said only to who knows it."""
    desk = Desk()
    assert desk.check(desk.answer(user, password)) == reason


def test_a_challenge_is_good_for_one_answer_in_time_on_its_connection() -> None:
    """A copied answer proves nothing."""
    desk = Desk()
    token = desk.answer("alice@contoso.test")
    assert desk.check(token, "http/2") == "expired challenge"
    assert desk.check(token) == ALICE
    assert desk.check(token) == "expired challenge"
    late = desk.answer("alice@contoso.test")
    desk.clock.advance(61)
    assert desk.check(late) == "expired challenge"


def test_the_oldest_challenge_goes_when_there_are_too_many() -> None:
    """Whoever asks and never answers fills nothing."""
    desk = Desk(challenges=10)
    first = desk.answer("alice@contoso.test", connection="http/0")
    last = [desk.answer("alice@contoso.test", connection=f"http/{number}") for number in range(1, 11)][-1]
    assert desk.check(first, "http/0") == "expired challenge"
    assert desk.check(last, "http/10") == ALICE


@pytest.mark.parametrize(
    "meant",
    [
        "HTTP/fe1.contoso.test",
        "http/FE1.contoso.test:443",
        "HTTP/meet.contoso.test",
        "HTTP/host7.contoso.test.",
        "host/meet.contoso.test",
    ],
)
def test_a_proof_is_for_this_site(meant: str) -> None:
    """By each of its names, as Windows writes them."""
    desk = Desk(web_names=("Host7.contoso.test",))
    assert desk.check(desk.answer("alice@contoso.test", meant=meant)) == ALICE


@pytest.mark.parametrize(
    "meant", ["HTTP/evil.test", "cifs/fe1.contoso.test", "HTTP/fe1.contoso.test.evil.test", "HTTP/", "x"]
)
def test_a_proof_for_another_server_is_refused(meant: str) -> None:
    """Who gets it there can pass our challenge on, and nothing is signed afterwards that would show it."""
    desk = Desk()
    assert desk.check(desk.answer("alice@contoso.test", meant=meant)) == "proof for another server"
    assert desk.check(desk.answer("alice@contoso.test", "not it", meant=meant)) == "wrong password"


def _written(desk: Desk, attributes: bytes) -> str:
    """Have a challenge made and answer it with the right password and just these attributes."""
    negotiate = base64.b64encode(b"NTLMSSP\0\x01\0\0\0" + bytes(28)).decode()
    challenge = desk.handshakes.challenge("http/1", negotiate)
    assert challenge is not None
    time = struct.pack("<Q", int(WALL) * 10_000_000 + 116444736000000000)
    blob = b"\x01\x01" + bytes(6) + time + bytes(12) + attributes
    key = ntowf_v2(nt_hash(PASSWORD), "ALICE@CONTOSO.TEST", "")
    proof = hmac.digest(key, base64.b64decode(challenge)[24:32] + blob, "md5")
    parts = [b"", proof + blob, b"", "alice@contoso.test".encode("utf-16-le"), b"", b""]
    return base64.b64encode(write_authenticate(parts, ANSWERED_FLAGS)).decode()


def _named(*names: str) -> bytes:
    values = [name.encode("utf-16-le") for name in names]
    return b"".join(struct.pack("<HH", 9, len(one)) + one for one in values) + bytes(4)


@pytest.mark.parametrize(
    "names", [("HTTP/fe1.contoso.test", "HTTP/evil.test"), ("HTTP/evil.test", "HTTP/fe1.contoso.test")]
)
def test_a_name_that_was_put_into_the_challenge_hides_none(names: tuple[str, ...]) -> None:
    """Clients give back what is in the challenge: whoever passes it on may have written ours there, before or behind theirs."""
    desk = Desk()
    assert desk.check(_written(desk, _named(*names))) == "proof for another server"
    assert desk.check(_written(desk, _named("HTTP/fe1.contoso.test", "", "HTTP/fe1.contoso.test"))) == ALICE


@pytest.mark.parametrize("attributes", ["", "00000000", "0900000000000000"])
def test_a_proof_that_names_nobody_is_taken(attributes: str) -> None:
    """Clients that make the messages themselves write no name, or an empty one."""
    desk = Desk()
    assert desk.check(_written(desk, bytes.fromhex(attributes))) == ALICE


def test_attributes_that_cannot_be_read_are_said_so() -> None:
    """Before anybody's password is looked at."""
    desk = Desk()
    with pytest.raises(RemoteProtocolError, match="outside of it"):
        desk.handshakes.account(_written(desk, bytes.fromhex("0900ffff41")))


def test_a_clock_that_is_wrong_is_told() -> None:
    """Without our time in the challenge the client uses its own."""
    desk = Desk(challenge_time=False, wall=0.0)
    assert desk.check(desk.answer("alice@contoso.test")) == "clock skew"


@pytest.mark.parametrize("token", ["", "TlRMTVNTUAAD", base64.b64encode(b"NTLMSSP\0\x03\0\0\0" + bytes(60)).decode()])
def test_what_is_no_answer_is_said_so(token: str) -> None:
    """Neither is looked for in people."""
    desk = Desk()
    assert desk.handshakes.challenge("http/1", token) is None
    with pytest.raises(RemoteProtocolError):
        desk.handshakes.account(token)


def test_what_is_no_base64_is_said_so() -> None:
    """Nor is it taken for an answer."""
    with pytest.raises(RemoteProtocolError, match="no base64"):
        Desk().handshakes.challenge("http/1", "!!!")


def test_a_connection_that_is_over_leaves_nothing() -> None:
    """Whoever opens one after the other holds no more challenges than connections."""
    desk = Desk()
    token = desk.answer("alice@contoso.test")
    desk.handshakes.drop("http/1")
    desk.handshakes.drop("http/2")
    assert desk.check(token) == "expired challenge"


def test_a_password_that_only_the_domain_knows_is_proved_here_too() -> None:
    """No keys are exchanged for it."""
    desk = Desk(domain=FakeDomain(alice="Secret!"))
    assert desk.check(desk.answer("CONTOSO\\alice", "Secret!")) == ALICE
