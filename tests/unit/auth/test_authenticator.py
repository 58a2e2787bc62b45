"""Handshakes: with our own client, with a foreign one, and with clients that cheat."""

import base64
import re

import pytest
import spnego
from twisted.internet.task import Clock

from lyncpy.auth.association import Association
from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.ntlm import Authenticate, exported_key, nt_hash, read_authenticate
from lyncpy.auth.settings import Settings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, DenialReason
from lyncpy.contracts.directory import Person, SignInObjection
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.timers import Timers
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request, Response
from tests.kit.directory import FakeDomain
from tests.kit.gatehouse import WALL, TablePeople, TableSecrets, request_of
from tests.kit.ntlm_client import NtlmClient
from tests.kit.results import result_of

ALICE = Aor("sip:alice@contoso.test")
BOB = Aor("sip:bob@contoso.test")
PASSWORD = "Passw0rd!"
Outcome = Challenge | AuthenticationDenied | Association


class Desk:
    """An authenticator with two users, and the dance of a REGISTER."""

    def __init__(
        self,
        *,
        alice: Person | None = None,
        secrets: TableSecrets | None = None,
        domain: FakeDomain | None = None,
        **settings: object,
    ) -> None:
        self.people = TablePeople(alice or Person(ALICE, "1", logins=("alice", "CONTOSO\\alice")), Person(BOB, "2"))
        self.secrets = secrets or TableSecrets({ALICE: nt_hash(PASSWORD)})
        self.wall = WALL
        self.clock = Clock()
        self.locks = NtlmAuthenticator(
            self.people,
            self.secrets,
            Settings.model_validate(settings),
            "fe1.contoso.test",
            "contoso.test",
            Timers(self.clock, lambda: self.wall),
            domain,
        )

    def step(self, request: Request, flow: str = "f/1", now: float = 0.0) -> Outcome:
        """Hand over a REGISTER's credentials."""
        value = request.headers.get("Authorization") or ""
        return result_of(self.locks.step(Arrival(request, FlowName(flow), "192.0.2.1", now), value))

    def challenge(self, client: NtlmClient, flow: str = "f/1", now: float = 0.0) -> str:
        """Have a challenge made."""
        outcome = self.step(client.answer(request_of(ALICE, "REGISTER"), self.locks.initial()), flow, now)
        assert isinstance(outcome, Challenge)
        return outcome.value

    def sign_in(self, client: NtlmClient, aor: str = ALICE) -> Outcome:
        """Go through the whole handshake."""
        return self.step(client.answer(request_of(aor, "REGISTER", number=3), self.challenge(client)))


def client(
    user: str = "alice@contoso.test",
    password: str = PASSWORD,
    *,
    domain: str = "",
    wall: float = WALL,
    version: int = 4,
) -> NtlmClient:
    """A client with the right clock."""
    return NtlmClient(user, password, domain=domain, wall=lambda: wall, version=version)


def denial(outcome: Outcome) -> str:
    """The reason of a denial."""
    assert isinstance(outcome, AuthenticationDenied)
    return outcome.reason


def test_offers_itself_in_the_form_that_clients_read() -> None:
    """Everything is quoted but the version."""
    assert Desk().locks.initial() == (
        'NTLM targetname="fe1.contoso.test", realm="SIP Communications Service", version=4'
    )


@pytest.mark.parametrize(
    ("user", "domain"), [("alice@contoso.test", ""), ("alice", ""), ("alice", "CONTOSO"), ("ALICE", "")]
)
def test_lets_a_user_in_under_each_of_his_names(user: str, domain: str) -> None:
    """Address, account name and domain account lead to the same identity."""
    outcome = Desk().sign_in(client(user, domain=domain))
    assert isinstance(outcome, Association)
    assert (outcome.identity.aor, outcome.identity.epid, outcome.identity.scheme) == (ALICE, "e1", "NTLM")
    assert outcome.expires == 28_800.0


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("challenge_time", [True, False])
def test_signs_and_verifies_in_each_version(version: int, challenge_time: bool) -> None:
    """After the handshake both sides believe each other, in the version that the client chose."""
    desk, alice = Desk(challenge_time=challenge_time), client(version=version)
    outcome = desk.sign_in(alice)
    assert isinstance(outcome, Association)
    request = alice.sign(request_of(ALICE, "SUBSCRIBE", ("Expires", "0")))
    assert outcome.verify(request, 0.0) is None
    answer = Response(200, "OK", request.headers)
    assert alice.verify(answer.edited(last=[outcome.sign(answer)], drop=["Authorization"]))
    assert not alice.verify(answer)


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (client(password="passw0rd!"), "wrong password"),
        (client("mallory"), "unknown user"),
        (client("bob@contoso.test"), "no password set"),
        (client(wall=WALL + 901), "clock skew"),
        (client(wall=WALL - 901), "clock skew"),
        (client(password="passw0rd!", wall=WALL - 901), "wrong password"),
    ],
)
def test_says_why_somebody_cannot_sign_in(who: NtlmClient, reason: str) -> None:
    """The operator learns which of the reasons it was; a wrong clock is looked at after the password."""
    assert denial(Desk().sign_in(who)) == reason


def test_a_wrong_clock_does_not_matter_when_ours_is_sent() -> None:
    """A client that is given our time uses it."""
    assert isinstance(Desk(challenge_time=True).sign_in(client(wall=WALL + 90_000)), Association)


def test_a_disabled_user_is_told_so_only_with_the_right_password() -> None:
    """Whoever guesses learns nothing about an account."""
    gone = Person(ALICE, "1", enabled=False)
    assert denial(Desk(alice=gone).sign_in(client())) == "disabled"
    assert denial(Desk(alice=gone).sign_in(client(password="x"))) == "wrong password"


def test_nobody_signs_in_as_another() -> None:
    """Alice's password does not open Bob's address."""
    outcome = Desk().sign_in(client(), aor=BOB)
    assert denial(outcome) == "not this user"
    assert isinstance(outcome, AuthenticationDenied)
    assert outcome.aor == ALICE


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (None, "unknown user"),
        (Person(ALICE, "another", logins=("alice",)), "unknown user"),
        (Person(ALICE, "1", enabled=False, logins=("alice",)), "disabled"),
    ],
)
def test_a_pull_in_the_middle_of_a_handshake_counts(now: Person | None, reason: str) -> None:
    """Who lost the address, or the right to sign in, while the password was looked up does not come in."""

    class Pulled(TableSecrets):
        """Secrets that are given when the directory has been pulled."""

        async def nt_hash(self, aor: Aor) -> bytes | None:
            """Pull, then give a user's hash."""
            desk.people.table = {} if now is None else {ALICE: now}
            return self.table.get(aor)

    desk = Desk(secrets=Pulled({ALICE: nt_hash(PASSWORD)}))
    assert denial(desk.sign_in(client())) == reason


@pytest.mark.parametrize("secret", [None, b""])
def test_a_user_without_hash_has_no_secret_way_in(secret: bytes | None) -> None:
    """The stand-in hash of nobody opens no account."""
    desk = Desk(secrets=TableSecrets({} if secret is None else {ALICE: secret}))
    thief = NtlmClient("alice@contoso.test", "", secret=bytes(16), wall=lambda: WALL)
    assert denial(desk.sign_in(thief)) == "no password set"


def test_a_challenge_is_good_for_one_answer() -> None:
    """A recorded answer does not open the door a second time."""
    desk, alice = Desk(), client()
    proof = alice.answer(request_of(ALICE, "REGISTER"), desk.challenge(alice))
    assert isinstance(desk.step(proof), Association)
    assert denial(desk.step(proof)) == "expired challenge"


def test_a_challenge_belongs_to_its_flow_and_its_time() -> None:
    """Neither another connection nor a late client can use it."""
    desk, alice = Desk(), client()
    proof = alice.answer(request_of(ALICE, "REGISTER"), desk.challenge(alice))
    desk.challenge(client(), flow="f/2")
    assert denial(desk.step(proof, flow="f/2")) == "expired challenge"
    assert denial(desk.step(proof, now=60.0)) == "expired challenge"
    desk.challenge(alice)
    desk.locks.drop_handshake("f/1")
    desk.locks.drop_handshake("f/1")
    assert denial(desk.step(proof)) == "expired challenge"


def test_remembers_a_bounded_number_of_challenges() -> None:
    """The oldest challenge goes when too many wait."""
    desk = Desk(challenges=10)
    for number in range(15):
        desk.challenge(client(), flow=f"f/{number}")
    assert len(desk.locks) == 10


def test_begins_anew_with_credentials_for_elsewhere() -> None:
    """Leftovers of another server, and signatures of an association that is gone, get the first challenge."""
    desk = Desk()
    for params in (
        'realm="Other", targetname="fe1.contoso.test", gssapi-data=""',
        'realm="SIP Communications Service", targetname="fe2", gssapi-data=""',
        'realm="SIP Communications Service", targetname="fe1.contoso.test", opaque="1", crand="1", cnum="1", response="00"',
    ):
        request = request_of(ALICE, "REGISTER", ("Authorization", f"NTLM {params}"))
        assert desk.step(request) == Challenge(desk.locks.initial())


def test_refuses_a_last_register_whose_signature_is_wrong() -> None:
    """In version 4 the last REGISTER is signed, and a change to it is noticed."""
    desk, alice = Desk(), client()
    proof = alice.answer(request_of(ALICE, "REGISTER"), desk.challenge(alice))
    assert denial(desk.step(proof.edited(put=[("Call-ID", "other")]))) == "malformed"


@pytest.mark.parametrize("version", ["1", "5", "x", ""])
def test_refuses_versions_that_were_not_offered(version: str) -> None:
    """A client cannot choose a version of its own."""
    desk, alice = Desk(), client()
    proof = alice.answer(request_of(ALICE, "REGISTER"), desk.challenge(alice))
    value = (proof.headers.get("Authorization") or "").replace("version=4", f"version={version}")
    assert denial(desk.step(proof.edited(put=[("Authorization", value)]))) == "malformed"


def test_old_versions_can_be_shut_out() -> None:
    """A client of version 2 is refused where 4 is the minimum."""
    assert denial(Desk(minimum_version=4).sign_in(client(version=2))) == "malformed"


@pytest.mark.parametrize("token", ["AAAA", "%%%", "TlRMTVNTUAADAAAA", "é"])
def test_garbage_is_malformed(token: str) -> None:
    """What is no NTLM message ends the handshake, without a traceback."""
    desk, alice = Desk(), client()
    proof = alice.answer(request_of(ALICE, "REGISTER"), desk.challenge(alice))
    value = re.sub('gssapi-data="[^"]*"', f'gssapi-data="{token}"', proof.headers.get("Authorization") or "")
    assert denial(desk.step(proof.edited(put=[("Authorization", value)]))) == "malformed"


def test_broken_parameters_are_malformed() -> None:
    """An open quote, or a parameter that comes twice, is refused."""
    request = request_of(ALICE, "REGISTER", ("Authorization", 'NTLM realm="a", realm="b"'))
    assert denial(Desk().step(request)) == "malformed"


@pytest.mark.parametrize("challenge_time", [True, False])
def test_lets_a_foreign_client_in(challenge_time: bool) -> None:
    """pyspnego, which knows nothing of us, proves its password and holds the same session key."""
    desk = Desk(challenge_time=challenge_time, skew_s=86_400.0)
    foreign = spnego.client("CONTOSO\\alice", PASSWORD, protocol="ntlm", hostname="fe1.contoso.test", service="sip")
    foreign.step()
    # The foreign client reads the real clock.
    challenge = desk.challenge(client())
    offered = re.search('gssapi-data="([^"]*)"', challenge)
    opaque = re.search('opaque="([^"]*)"', challenge)
    assert offered is not None
    assert opaque is not None
    token = foreign.step(base64.b64decode(offered.group(1)))
    assert token is not None
    data = base64.b64encode(token).decode()
    if not challenge_time:
        desk.wall = _stamp_of(token)
    value = (
        f'NTLM qop="auth", opaque="{opaque.group(1)}", realm="SIP Communications Service", '
        f'targetname="fe1.contoso.test", gssapi-data="{data}", version=3'
    )
    outcome = desk.step(request_of(ALICE, "REGISTER", ("Authorization", value)))
    assert isinstance(outcome, Association)
    # Its own signatures count from 0 and are not re-keyed, so the keys themselves are compared, through one text.
    mine = NtlmClient("alice", PASSWORD, version=3)
    mine.associate(parse_auth(challenge)[1], foreign.session_key)
    answer = Response(200, "OK", request_of(ALICE, "REGISTER").headers)
    assert mine.verify(answer.edited(last=[outcome.sign(answer)]))


def _passed_on(desk: Desk, meant: str, version: int) -> Outcome:
    """Bring an answer to our challenge that a foreign client has made for somebody else; nobody signs."""
    service, _, host = meant.partition("/")
    options = spnego.NegotiateOptions.use_ntlm
    foreign = spnego.client("CONTOSO\\alice", PASSWORD, host, service, protocol="ntlm", options=options)
    foreign.step()
    challenge = parse_auth(desk.challenge(client()))[1]
    token = foreign.step(base64.b64decode(challenge["gssapi-data"]))
    assert token is not None
    value = (
        f'NTLM qop="auth", opaque="{challenge["opaque"]}", realm="SIP Communications Service", '
        f'targetname="fe1.contoso.test", gssapi-data="{base64.b64encode(token).decode()}", version={version}'
    )
    return desk.step(request_of(ALICE, "REGISTER", ("Authorization", value)))


@pytest.mark.parametrize(
    "meant", ["cifs/fe1.contoso.test", "HTTP/evil.test", "HTTP/fe1.contoso.test", "host/evil.test"]
)
def test_a_proof_for_another_service_is_refused(meant: str) -> None:
    """Who gets it there can pass our challenge on, and an old client signs nothing before it is in."""
    outcome = _passed_on(Desk(challenge_time=True, skew_s=86_400.0), meant, 3)
    assert isinstance(outcome, AuthenticationDenied)
    assert (outcome.reason, outcome.detail) == ("proof for another server", f"made for {meant}")


@pytest.mark.parametrize("meant", ["sip/fe1.contoso.test", "SIP/other.test", "host/fe1.contoso.test"])
def test_a_proof_for_a_sip_server_is_taken_with_a_signature(meant: str) -> None:
    """Version 4 has one at once; older ones have none yet. Whoever challenges says what name the client writes."""
    desk = Desk(challenge_time=True, skew_s=86_400.0)
    assert isinstance(_passed_on(desk, meant, 3), Association)
    outcome = _passed_on(desk, meant, 4)
    assert isinstance(outcome, AuthenticationDenied)
    assert (outcome.reason, outcome.aor) == ("malformed", ALICE)
    assert "no signature" in outcome.detail


def _stamp_of(token: bytes) -> float:
    """The clock in an AUTHENTICATE message."""
    return read_authenticate(base64.b64encode(token).decode()).at


@pytest.mark.parametrize(
    ("login", "known"),
    [
        ("alice@contoso.test", True),
        ("bob@contoso.test", True),
        ("nobody@contoso.test", False),
        ("\u00fc@contoso.test", False),
    ],
)
def test_whoever_fails_costs_the_same_work(login: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a password, without one, disabled, or nobody: as many secrets are read, as many sums are made."""
    desk = Desk(alice=Person(ALICE, "1", logins=("alice",), enabled=False))
    assert (desk.people.by_login("", login) is not None) is known
    read: list[str] = []
    sums: list[bytes] = []
    honest_read, honest_sum = desk.secrets.nt_hash, exported_key

    async def nt_hash_counted(aor: Aor) -> bytes | None:
        read.append(aor)
        return await honest_read(aor)

    def sum_counted(message: Authenticate, challenge: bytes, secret: bytes) -> bytes | None:
        sums.append(secret)
        return honest_sum(message, challenge, secret)

    monkeypatch.setattr(desk.secrets, "nt_hash", nt_hash_counted)
    monkeypatch.setattr("lyncpy.auth.proofs.exported_key", sum_counted)
    assert denial(desk.sign_in(client(login, "guess"))) in ("wrong password", "no password set", "unknown user")
    assert (len(read), [len(secret) for secret in sums]) == (1, [16])


# --- people whose password a Windows domain has

WRONG = SignInObjection(DenialReason.WRONG_PASSWORD, "")


def test_a_password_that_only_the_domain_knows_signs_both_ways() -> None:
    """The keys of signatures come of what the domain gives, as they do of a hash."""
    desk, bob = Desk(domain=FakeDomain(WRONG, bob="Secret!")), client("bob@contoso.test", "Secret!")
    outcome = desk.sign_in(bob, BOB)
    assert isinstance(outcome, Association)
    assert outcome.verify(bob.sign(request_of(BOB, "SUBSCRIBE", ("Expires", "0"))), 0.0) is None
    answer = Response(200, "OK", request_of(BOB, "SUBSCRIBE").headers)
    assert bob.verify(answer.edited(last=[outcome.sign(answer)]))


def test_a_hash_that_fits_is_believed_and_the_domain_asked_about_all_else() -> None:
    """As with Basic: both passwords are good where somebody has two; about nobody it is asked too."""
    domain = FakeDomain(WRONG, alice="Of the domain")
    desk = Desk(domain=domain)
    assert isinstance(desk.sign_in(client()), Association)
    assert domain.asked == []
    assert isinstance(desk.sign_in(client(password="Of the domain")), Association)
    assert denial(desk.sign_in(client(password="neither"))) == "wrong password"
    assert denial(desk.sign_in(client("mallory"))) == "unknown user"
    assert domain.asked == [(ALICE, "alice@contoso.test", "192.0.2.1")] * 2 + [(None, "mallory", "192.0.2.1")]


def test_what_the_domain_says_is_the_reason() -> None:
    """With its words; where it has no such people everything is as it was."""
    domain = FakeDomain(SignInObjection(DenialReason.LOCKED, "after wrong passwords"))
    desk = Desk(domain=domain)
    outcome = desk.sign_in(client("bob@contoso.test"), BOB)
    assert isinstance(outcome, AuthenticationDenied)
    assert (outcome.reason, outcome.detail, outcome.aor, outcome.account) == (
        "locked",
        "after wrong passwords",
        BOB,
        "bob@contoso.test",
    )
    domain.says = DirectoryUnavailable("winbind is away")
    outcome = desk.sign_in(client("bob@contoso.test"), BOB)
    assert isinstance(outcome, AuthenticationDenied)
    assert (outcome.reason, outcome.detail, outcome.aor) == ("directory unavailable", "winbind is away", BOB)
    outcome = desk.sign_in(client(password="neither"))
    assert isinstance(outcome, AuthenticationDenied)
    assert (outcome.reason, outcome.detail) == (DenialReason.NOT_THE_KEPT_ONE, "winbind is away")
    assert isinstance(desk.sign_in(client()), Association)
    domain.says = None
    assert denial(desk.sign_in(client("bob@contoso.test"), BOB)) == "no password set"
    assert denial(desk.sign_in(client(password="neither"))) == "wrong password"


def test_who_the_domain_lets_in_still_has_to_be_who_they_say_and_may_sign_in() -> None:
    """A disabled account here, another address, and a wrong clock are looked at after it."""
    domain = FakeDomain(WRONG, alice="Secret!")
    assert denial(Desk(domain=domain).sign_in(client(password="Secret!"), BOB)) == "not this user"
    assert denial(Desk(domain=domain).sign_in(client(password="Secret!", wall=WALL + 901))) == "clock skew"
    barred = Person(ALICE, "1", enabled=False, logins=("alice",))
    assert denial(Desk(domain=domain, alice=barred).sign_in(client(password="Secret!"))) == "disabled"


def test_the_challenge_names_the_computer_as_it_has_joined() -> None:
    """Controllers look at it."""
    desk = Desk(netbios_domain="CORP", netbios_computer="HOST7")
    token = base64.b64decode(parse_auth(desk.challenge(client()))[1]["gssapi-data"])
    assert "HOST7".encode("utf-16-le") in token
    assert "CORP".encode("utf-16-le") in token
