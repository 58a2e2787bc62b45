"""The gate: who is let in, what the others are told, and that all that leaves is signed."""

import re
from collections.abc import Callable
from typing import cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, IAuthenticator
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.contracts.refusal import Refused
from lyncpy.core import signins
from lyncpy.core.gate import CHALLENGES_PER_FLOW, HELD_MESSAGES, HOLD_S
from lyncpy.core.settings import Settings
from lyncpy.sip.message import Headers, Request, Response, response_to
from lyncpy.sip.prepared import Prepared, Template
from tests.kit.gatehouse import (
    WALL,
    RecordedFlows,
    TablePeople,
    TableSecrets,
    gate_of,
    request_of,
    signins_of,
    timers_of,
)
from tests.kit.holdings import held
from tests.kit.logs import overheard
from tests.kit.meters import MemoryMeter
from tests.kit.ntlm_client import NtlmClient, challenge_of
from tests.kit.results import result_of, started

ALICE = Aor("sip:alice@contoso.test")
BOB = Aor("sip:bob@contoso.test")
PASSWORD = "Passw0rd!"
FLOW = FlowName("n/1")


class Hall:
    """A gate with two users, and a client that may stand before it."""

    def __init__(self, limits: dict[str, object] | None = None, **auth: object) -> None:
        self.clock = Clock()
        self.people = TablePeople(Person(ALICE, "1", logins=("alice",)), Person(BOB, "2"))
        self.secrets = TableSecrets({ALICE: nt_hash(PASSWORD), BOB: nt_hash("bob")})
        self.flows = RecordedFlows()
        self.meter = MemoryMeter()
        timers = timers_of(self.clock)
        rules = AuthSettings.model_validate(auth)
        self.ntlm = NtlmAuthenticator(
            self.people, self.secrets, rules, "fe1.contoso.test", "contoso.test", timers, None
        )
        settings = Settings.model_validate(limits or {})
        self.signins = signins_of(self.people, rules, self.meter, timers)
        self.gate = gate_of([self.ntlm], self.signins, self.flows, self.meter, settings, timers)
        self.opened()

    def opened(self, flow: str = FLOW, peer: str = "192.0.2.1") -> None:
        """A connection comes."""
        self.gate.opened(FlowName(flow), peer, secure=True)

    def arrival(self, request: Request, flow: str = FLOW) -> Arrival:
        """A request comes."""
        return Arrival(request, FlowName(flow), "192.0.2.1", self.clock.seconds())

    def admit(self, request: Request, flow: str = FLOW) -> Arrival:
        """The gate takes a request."""
        return result_of(self.gate.admit(self.arrival(request, flow)))

    def refusal(self, request: Request, flow: str = FLOW) -> Response:
        """The gate refuses a request; the answer as it leaves."""
        with pytest.raises(Refused) as caught:
            self.admit(request, flow)
        sealed = self.gate.seal(FlowName(flow), caught.value.response(request))
        assert isinstance(sealed, Response)
        return sealed

    def challenged(self, client: NtlmClient, aor: str = ALICE, flow: str = FLOW) -> Request:
        """The handshake as far as the last REGISTER, which is given."""
        first = self.refusal(request_of(aor, "REGISTER", number=1), flow)
        assert first.status == 401
        second = self.refusal(client.answer(request_of(aor, "REGISTER", number=2), challenge_of(first)), flow)
        assert second.status == 401
        return client.answer(request_of(aor, "REGISTER", number=3), challenge_of(second))

    def signed_in(self, client: NtlmClient | None = None, aor: str = ALICE, flow: str = FLOW) -> NtlmClient:
        """A client that went through the handshake."""
        client = client or alice()
        arrival = self.admit(self.challenged(client, aor, flow), flow)
        assert arrival.sender.aor == aor
        return client

    def failed(self, client: NtlmClient, aor: str = ALICE, flow: str = FLOW) -> Response:
        """The answer to the last REGISTER of a handshake that fails."""
        return self.refusal(self.challenged(client, aor, flow), flow)


def alice(password: str = PASSWORD, *, wall: float = WALL, user: str = "alice@contoso.test") -> NtlmClient:
    """Alice's client."""
    return NtlmClient(user, password, wall=lambda: wall)


def reason_of(response: Response, header: str = "ms-diagnostics") -> str:
    """The number and the words that a client shows."""
    found = re.match(r'(\d+);reason="([^"]*)"', response.headers.get(header) or "")
    return f"{found[1]} {found[2]}" if found else ""


# Signing in.


def test_asks_a_stranger_who_he_is() -> None:
    """The first REGISTER gets each scheme's challenge, and the date for its clock."""
    answer = Hall().refusal(request_of(ALICE, "REGISTER"))
    assert answer.status == 401
    assert answer.headers.get("WWW-Authenticate") == (
        'NTLM targetname="fe1.contoso.test", realm="SIP Communications Service", version=4'
    )
    assert answer.headers.get("Date") == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert "Authentication-Info" not in answer.headers


def test_the_wish_for_compression_is_refused_in_plain_words() -> None:
    """It comes before sign-in: with a challenge a client would wait for ever, with a refusal it goes on."""
    hall = Hall()
    with pytest.raises(Refused) as refused:
        hall.admit(request_of(ALICE, "NEGOTIATE"))
    assert refused.value.status == 488
    assert not [name for name, _ in refused.value.headers if name == "WWW-Authenticate"]


def test_lets_a_user_in_and_signs_from_then_on() -> None:
    """The last REGISTER is admitted with its sender, and its 200 is signed."""
    hall, client = Hall(), alice()
    request = hall.challenged(client)
    arrival = hall.admit(request)
    assert (arrival.sender.aor, arrival.sender.epid, arrival.sender.scheme) == (ALICE, "e1", "NTLM")
    sealed = hall.gate.seal(FLOW, response_to(request, 200, headers=[("Expires", "7200")]))
    assert sealed is not None
    assert client.verify(sealed)


def test_a_wrong_password_gets_the_first_challenge_again() -> None:
    """An unsigned 401 makes the client say that authentication failed; the right password is welcome after it."""
    hall = Hall()
    answer = hall.failed(alice("wrong"))
    assert (answer.status, "Authentication-Info" in answer.headers) == (401, False)
    assert "gssapi-data" not in challenge_of(answer)
    hall.signed_in()


@pytest.mark.parametrize("client", [alice(user="mallory"), alice("x")])
def test_an_unknown_login_looks_like_a_wrong_password(client: NtlmClient) -> None:
    """Guessing login names teaches nothing."""
    answer = Hall().failed(client)
    assert answer.status == 401
    assert reason_of(answer) == ""


def test_an_unknown_address_is_told_at_once() -> None:
    """A client shows "not found" for an address that does not exist."""
    answer = Hall().refusal(request_of("sip:nobody@contoso.test", "REGISTER"))
    assert answer.status == 404
    assert reason_of(answer) == "4005 Destination URI either not enabled for SIP or does not exist"


def test_unknown_addresses_can_be_concealed() -> None:
    """Where the settings say so, an unknown address fails as a wrong password does."""
    assert Hall(tell_unknown_users=False).failed(alice(), "sip:nobody@contoso.test").status == 403
    answer = Hall(tell_unknown_users=False).failed(alice(user="nobody"), "sip:nobody@contoso.test")
    assert answer.status == 401


def test_a_disabled_user_is_told_so_in_words() -> None:
    """The client shows the reason of a 403 from the public header."""
    hall = Hall()
    hall.people.table[ALICE] = Person(ALICE, "1", enabled=False)
    answer = hall.failed(alice())
    assert answer.status == 403
    assert reason_of(answer, "ms-diagnostics-public") == "4141 User disabled"


def test_a_wrong_clock_is_told_in_words() -> None:
    """The client shows that its clock is wrong; an administrator's tools find the usual number."""
    answer = Hall().failed(alice(wall=WALL + 3600))
    assert answer.status == 403
    assert reason_of(answer) == "1013 Significant time skew detected during authentication"
    assert reason_of(answer, "ms-diagnostics-public") == "1013 The clock of your computer is wrong"


def test_nobody_registers_as_another() -> None:
    """Bob's password does not open Alice's address."""
    answer = Hall().failed(NtlmClient("bob@contoso.test", "bob", wall=lambda: WALL))
    assert answer.status == 403
    assert reason_of(answer, "ms-diagnostics-public").startswith("4004 ")


# Too many tries.


def test_too_many_tries_make_a_user_wait_and_say_so() -> None:
    """After five wrong passwords even the right one waits; the client shows for how long."""
    hall = Hall()
    for _ in range(5):
        assert hall.failed(alice("wrong")).status == 401
    answer = hall.refusal(request_of(ALICE, "REGISTER"))
    assert answer.status == 503
    assert reason_of(answer) == "1 Too many failed sign-ins, try again in 30 seconds"
    assert answer.headers.get("Retry-After") == "30"
    hall.clock.advance(30)
    hall.opened("n/2")
    hall.signed_in(flow="n/2")


def test_a_stranger_cannot_shut_a_user_out_of_his_own_office() -> None:
    """Where Alice has signed in before, others' wrong guesses do not count."""
    hall = Hall()
    hall.signed_in()
    hall.opened("n/2", "203.0.113.9")
    for _ in range(5):
        hall.failed(alice("wrong"), flow="n/2")
    assert hall.refusal(request_of(ALICE, "REGISTER"), "n/2").status == 503
    hall.opened("n/3")
    hall.signed_in(flow="n/3")


def test_many_failures_of_a_place_leave_each_name_one_try() -> None:
    """Trying one password on many users is noticed; whoever has the right one comes in beside it."""
    hall = Hall(tries_per_address=2)
    bob = NtlmClient("bob@contoso.test", "guess", wall=lambda: WALL)
    for _ in range(2):
        hall.failed(bob, BOB)
    assert hall.refusal(request_of(BOB, "REGISTER")).status == 503
    hall.signed_in()
    hall.opened("n/2", "203.0.113.9")
    hall.signed_in(NtlmClient("bob@contoso.test", "bob", wall=lambda: WALL), BOB, "n/2")


def test_invented_names_shut_out_nobody_and_are_soon_not_told_from_others() -> None:
    """Fifty names that do not exist, in no time: who is behind the same address signs in, and a list stays secret."""
    hall = Hall(limits={"requests_burst": 10_000.0})
    for n in range(50):
        assert hall.refusal(request_of(f"sip:x{n}@contoso.test", "REGISTER")).status == 404
    hall.opened("n/2")
    assert hall.refusal(request_of("sip:x51@contoso.test", "REGISTER"), "n/2").status == 401
    assert hall.refusal(request_of(ALICE, "REGISTER"), "n/2").status == 401
    hall.signed_in(flow="n/2")


def test_wrong_passwords_elsewhere_shut_nobody_out() -> None:
    """Neither where Alice signed in before nor where she never was; in the guesser's own network they do."""
    hall = Hall()
    hall.opened("n/2", "2001:db8::1")
    for _ in range(5):
        hall.failed(alice("wrong"), flow="n/2")
    hall.opened("n/3", "2001:db8::2")
    assert hall.refusal(request_of(ALICE, "REGISTER"), "n/3").status == 503
    hall.opened("n/4", "2001:db8:0:1::1")
    hall.signed_in(flow="n/4")


@pytest.mark.parametrize(
    "token",
    [
        'gssapi-data="',
        'Gssapi-Data="',
        'gssapi-data ="',
        'gssapi-data=\t"',
        'x="gssapi-data=,", gssapi-data="',
        'x="gssapi-data=\\"\\"", GSSAPI-DATA = "',
    ],
)
def test_many_guesses_at_once_are_no_more_than_one_by_one(token: str) -> None:
    """Who answers a hundred challenges in one moment gets the same few looked at, however they write it."""
    hall = Hall(limits={"requests_burst": 10_000.0})
    slow: list[Deferred[bytes]] = []

    async def nt_hash_slowly(aor: Aor) -> bytes:
        slow.append(Deferred())
        return await slow[-1]

    hall.secrets.nt_hash = nt_hash_slowly  # type: ignore[method-assign]  # a slow disk
    answers = []
    for n in range(100):
        hall.opened(f"f/{n}")
        # Of version 3, which does not sign the answer: it can be rewritten.
        guess = hall.challenged(NtlmClient("alice", "guess", version=3, wall=lambda: WALL), flow=f"f/{n}")
        shown = (guess.headers.get("Authorization") or "").replace('gssapi-data="', token)
        answers.append((guess.edited(put=[("Authorization", shown)]), f"f/{n}"))
    refused: list[int] = []

    def note(failure: Failure) -> None:
        assert isinstance(failure.value, Refused)
        refused.append(failure.value.status)

    for answer, flow in answers:
        _ = started(hall.gate.admit(hall.arrival(answer, flow))).addErrback(note)
    for secret in slow:
        secret.callback(nt_hash(PASSWORD))
    assert (len(slow), refused.count(401), refused.count(503)) == (5, 5, 95)


@pytest.mark.parametrize("word", ["gssapi-data", "Gssapi-Data", "gssapi-data "])
def test_keys_are_renewed_however_the_token_is_written(word: str) -> None:
    """A REGISTER with a token begins anew and is not verified with the old keys; a token in another's quotes is none."""
    hall, again = Hall(), alice()
    client = hall.signed_in()
    begin = again.answer(request_of(ALICE, "REGISTER", number=7), hall.ntlm.initial())
    value = (begin.headers.get("Authorization") or "").replace("gssapi-data", word)
    assert "gssapi-data" in challenge_of(hall.refusal(begin.edited(put=[("Authorization", value)])))
    assert hall.meter.count("lyncpy_core_unverified_total", reason="unsigned") == 0
    signed = client.sign(request_of(ALICE, "REGISTER", number=8))
    value = (signed.headers.get("Authorization") or "") + ', x="gssapi-data=,"'
    assert hall.admit(signed.edited(put=[("Authorization", value)])).sender.aor == ALICE


def test_guessing_under_another_address_spends_the_same_tries() -> None:
    """Who registers as Bob to guess Alice's password is stopped as if he had registered as Alice."""
    hall = Hall(tell_unknown_users=False)
    for n in range(5):
        hall.failed(alice("wrong"), aor=f"sip:x{n}@contoso.test")
    assert hall.failed(alice(), aor=BOB).status == 503  # though the password is right
    hall.opened("n/2")
    hall.signed_in(flow="n/2")  # under Alice's own address nobody has failed
    hall.opened("n/3")
    hall.signed_in(NtlmClient("bob@contoso.test", "bob", wall=lambda: WALL), BOB, "n/3")


def test_who_is_signed_in_renews_his_keys_whatever_others_try() -> None:
    """A guesser elsewhere does not end a session that stands."""
    hall = Hall(tries_per_user=1)
    client = hall.signed_in()
    hall.opened("n/2")
    hall.failed(alice("wrong"), flow="n/2")
    assert hall.refusal(request_of(ALICE, "REGISTER"), "n/2").status == 503
    client.restart()
    hall.signed_in(client)


# Messages of a flow that is signed in.


def test_admits_what_the_client_signed() -> None:
    """Requests and responses of the client are believed; the sender is known."""
    hall = Hall()
    client = hall.signed_in()
    assert hall.admit(client.sign(request_of(ALICE, "SUBSCRIBE"))).sender.aor == ALICE
    upper = request_of("sip:Alice@Contoso.Test;transport=tls", "SUBSCRIBE")
    assert hall.admit(client.sign(upper)).sender.aor == ALICE
    assert hall.gate.accepts_response(FLOW, client.sign(Response(200, "OK", request_of(BOB, "MESSAGE").headers)))


def test_refuses_what_is_not_signed() -> None:
    """A request without signature gets 403, never a 401 that a client repeats for ever; a REGISTER may begin anew."""
    hall = Hall()
    client = hall.signed_in()
    answer = hall.refusal(request_of(ALICE, "SUBSCRIBE"))
    assert answer.status == 403
    assert client.verify(answer)
    assert hall.refusal(request_of(ALICE, "REGISTER")).status == 401
    assert hall.meter.count("lyncpy_core_unverified_total", reason="unsigned") == 2


def test_drops_responses_that_do_not_verify() -> None:
    """A response that somebody else made is not believed."""
    hall = Hall()
    response = Response(200, "OK", request_of(BOB, "MESSAGE").headers)
    assert not hall.gate.accepts_response(FLOW, response)
    client = hall.signed_in()
    assert not hall.gate.accepts_response(FLOW, response)
    assert not hall.gate.accepts_response(FlowName("n/9"), response)
    signed = client.sign(response)
    assert hall.gate.accepts_response(FLOW, signed)
    assert not hall.gate.accepts_response(FLOW, signed)
    assert hall.meter.count("lyncpy_core_unverified_total", reason="replayed") == 1


@pytest.mark.parametrize("uri", ["sip:bob@contoso.test", "tel:+15551234", "sip:contoso.test"])
def test_nobody_writes_under_another_name(uri: str) -> None:
    """A signed request from another From is refused."""
    hall = Hall()
    client = hall.signed_in()
    answer = hall.refusal(client.sign(request_of(uri, "SUBSCRIBE")))
    assert answer.status == 403
    assert reason_of(answer, "ms-diagnostics-public").startswith("4004 ")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ('"Bob <sip:bob@contoso.test>" ', 403),
        ('"<sip:bob@contoso.test>;tag=" ', 403),
        ('"Alice" ', 0),
        ('"A, \\"B\\"" ', 0),
    ],
)
def test_a_name_that_holds_an_address_deceives_nobody(name: str, status: int) -> None:
    """A display name is free text, but not where a simple reader would take it for the sender's address."""
    hall = Hall()
    client = hall.signed_in()
    request = request_of(ALICE, "MESSAGE").edited(put=[("From", f"{name}<{ALICE}>;tag=1;epid=e1")])
    if status:
        assert hall.refusal(client.sign(request)).status == status
    else:
        assert hall.admit(client.sign(request)).who is not None


def test_a_request_of_a_stranger_is_challenged() -> None:
    """Before anybody signed in, any request is asked for credentials."""
    assert Hall().refusal(request_of(ALICE, "SUBSCRIBE")).status == 401


def test_an_expired_association_lets_only_register_begin_anew() -> None:
    """After eight hours the keys are worth nothing."""
    hall = Hall()
    client = hall.signed_in()
    hall.clock.advance(28_800)
    assert hall.refusal(client.sign(request_of(ALICE, "SUBSCRIBE"))).status == 403
    answer = hall.refusal(client.sign(request_of(ALICE, "REGISTER")))
    assert answer.status == 401
    assert "gssapi-data" not in challenge_of(answer)


def test_seals_nothing_for_a_stranger_and_no_401() -> None:
    """What cannot or must not be signed leaves as it is."""
    hall = Hall()
    message = response_to(request_of(ALICE, "REGISTER"), 401)
    assert hall.gate.seal(FLOW, message) is message
    hall.signed_in()
    assert hall.gate.seal(FLOW, message) is message
    assert hall.gate.seal(FlowName("n/9"), message) is message


def test_seals_in_place_of_the_signature_of_another_hop() -> None:
    """A forwarded request carries our signature and no other: clients would check the wrong one."""
    hall = Hall()
    client = hall.signed_in()
    stale = [("Authorization", "NTLM a"), ("Proxy-Authorization", "NTLM b"), ("Authentication-Info", "NTLM c")]
    sealed = hall.gate.seal(FLOW, request_of(BOB, "MESSAGE", *stale))
    assert sealed is not None
    assert client.verify(sealed)
    assert "Authorization" not in sealed.headers
    assert "Proxy-Authorization" not in sealed.headers
    assert len(sealed.headers.get_all("Authentication-Info")) == 1


# Renewing the keys.


def test_renewing_keeps_the_old_keys_until_the_new_ones_stand() -> None:
    """While a client authenticates anew it is asked again, not refused, and its session goes on."""
    hall = Hall()
    client = hall.signed_in()
    old = client.sign(request_of(ALICE, "SERVICE"))
    client.restart()
    last = hall.challenged(client)
    assert hall.admit(old).sender.aor == ALICE
    assert hall.refusal(request_of(ALICE, "SUBSCRIBE")).status == 401
    assert hall.admit(last).sender.aor == ALICE
    assert hall.admit(client.sign(request_of(ALICE, "SERVICE"))).sender.aor == ALICE
    assert hall.refusal(request_of(ALICE, "SUBSCRIBE")).status == 403


def test_holds_messages_back_until_the_new_keys_stand() -> None:
    """What is sent between a renewed challenge and its answer waits, and leaves signed with the new keys."""
    hall = Hall()
    client = hall.signed_in()
    client.restart()
    last = hall.challenged(client)
    messages = [request_of(BOB, "MESSAGE", number=number) for number in (1, 2)]
    assert [hall.gate.seal(FLOW, message) for message in messages] == [None, None]
    ringing = response_to(request_of(ALICE, "INVITE"), 180)
    refused = response_to(last, 403)
    assert hall.gate.seal(FLOW, ringing) is ringing
    assert hall.gate.seal(FLOW, refused) is refused
    assert hall.flows.sent == []
    hall.admit(last)
    assert hall.flows.sent == [(FLOW, message) for message in messages]
    for message in messages:
        sealed = hall.gate.seal(FLOW, message)
        assert sealed is not None
        assert client.verify(sealed)


@pytest.mark.parametrize("cseq", ["36893488147419103232 MESSAGE", "MESSAGE", ""])
def test_holds_back_the_refusal_of_a_broken_request_too(cseq: str) -> None:
    """A message that nobody can read, in the middle of a second handshake, is refused like any other."""
    hall = Hall()
    hall.signed_in()
    hall.challenged(alice())
    broken = Request("MESSAGE", ALICE, Headers([("CSeq", cseq)] if cseq else []))
    assert hall.gate.seal(FLOW, response_to(broken, 400)) is None


def test_lets_held_messages_go_when_the_client_does_not_answer() -> None:
    """A client that never answers its challenge hears the rest as before."""
    hall = Hall()
    old, new = hall.signed_in(), alice()
    hall.challenged(new)
    message = request_of(BOB, "MESSAGE")
    assert hall.gate.seal(FLOW, message) is None
    hall.clock.advance(HOLD_S + 1)
    assert hall.flows.sent == [(FLOW, message)]
    sealed = hall.gate.seal(FLOW, message)
    assert sealed is not None
    assert old.verify(sealed)


def test_lets_held_messages_go_when_the_renewal_fails() -> None:
    """A wrong password at the renewal ends the waiting."""
    hall = Hall()
    hall.signed_in()
    last = hall.challenged(alice("wrong"))
    message = request_of(BOB, "MESSAGE")
    assert hall.gate.seal(FLOW, message) is None
    assert hall.refusal(last).status == 401
    assert hall.flows.sent == [(FLOW, message)]


def test_does_not_hold_back_without_bound() -> None:
    """A client that lets too much pile up is disconnected."""
    hall = Hall()
    hall.signed_in()
    last = hall.challenged(alice())
    for _ in range(HELD_MESSAGES):
        assert hall.gate.seal(FLOW, request_of(BOB, "MESSAGE")) is None
    assert FLOW not in hall.flows.closed
    assert hall.gate.seal(FLOW, request_of(BOB, "MESSAGE")) is None
    assert FLOW in hall.flows.closed
    hall.admit(last)
    assert hall.flows.sent == []


def test_a_flow_does_not_change_its_user() -> None:
    """Bob cannot take over the connection on which Alice signed in."""
    hall = Hall()
    client = hall.signed_in()
    answer = hall.failed(NtlmClient("bob@contoso.test", "bob", wall=lambda: WALL), aor=BOB)
    assert answer.status == 403
    assert hall.admit(client.sign(request_of(ALICE, "SERVICE"))).sender.aor == ALICE


def test_forgets_a_user_but_says_goodbye() -> None:
    """A disabled user's requests are refused, but what he is told is still signed; he may prove himself anew."""
    hall = Hall()
    client = hall.signed_in()
    hall.gate.end_associations(ALICE)
    hall.gate.end_associations(ALICE)
    hall.gate.end_associations(BOB)
    assert hall.refusal(client.sign(request_of(ALICE, "SERVICE"))).status == 403
    assert not hall.gate.accepts_response(FLOW, client.sign(Response(200, "OK", request_of(BOB, "MESSAGE").headers)))
    sealed = hall.gate.seal(FLOW, request_of(ALICE, "BENOTIFY"))
    assert sealed is not None
    assert client.verify(sealed)
    client.restart()
    hall.signed_in(client)
    hall.clock.advance(60)
    assert hall.flows.closed == {}


def test_closes_the_flow_of_a_forgotten_user() -> None:
    """Who does not sign in anew is disconnected."""
    hall = Hall()
    hall.signed_in()
    hall.gate.end_associations(ALICE)
    hall.clock.advance(31)
    assert FLOW in hall.flows.closed


# Bounds.


def test_closes_a_flow_on_which_nobody_signs_in() -> None:
    """Idle strangers are disconnected, signed-in users are not."""
    hall = Hall()
    hall.opened("n/2")
    hall.signed_in()
    assert hall.meter.gauges["lyncpy_core_unauthenticated_count"]() == 1.0
    hall.clock.advance(31)
    assert hall.flows.closed == {"n/2": "nobody signed in"}
    hall.gate.closed(FlowName("n/2"))
    hall.gate.closed(FlowName("n/2"))
    assert hall.meter.gauges["lyncpy_core_unauthenticated_count"]() == 0.0


def test_the_wire_is_told_who_is_no_stranger_any_more() -> None:
    """What strangers may not, who signed in may; who is revoked is a stranger again."""
    hall = Hall()
    hall.signed_in()
    assert hall.flows.vouched == {FLOW: True}
    hall.gate.end_associations(ALICE)
    assert hall.flows.vouched == {FLOW: False}


def test_one_user_has_only_so_many_connections() -> None:
    """Whoever opens more and more loses their own oldest, and nobody else's."""
    hall = Hall({"connections_per_user": 2})
    hall.gate.closed(FLOW)
    nobodys = held(hall.gate, "ConnectionsPerUser")
    hall.opened(FLOW)
    hall.signed_in()
    for number in (2, 3):
        hall.opened(f"n/{number}")
        hall.signed_in(flow=FlowName(f"n/{number}"))
    assert hall.flows.closed == {FLOW: "its user has too many connections ([limits] connections_per_user)"}
    hall.gate.closed(FLOW)
    hall.gate.closed(FlowName("n/2"))
    hall.gate.closed(FlowName("n/3"))
    assert held(hall.gate, "ConnectionsPerUser") == nobodys
    hall.gate.closed(FlowName("n/2"))
    hall.opened("n/8")
    assert "n/8" not in hall.flows.closed


def test_stops_a_client_that_cannot_stop_asking() -> None:
    """A client that repeats itself at every 401 is disconnected."""
    hall = Hall()
    for _ in range(CHALLENGES_PER_FLOW):
        hall.refusal(request_of(ALICE, "SUBSCRIBE"))
    assert FLOW not in hall.flows.closed
    hall.refusal(request_of(ALICE, "SUBSCRIBE"))
    assert FLOW in hall.flows.closed


def test_refuses_for_a_flow_that_is_gone() -> None:
    """A request whose connection has closed is not asked for credentials."""
    assert Hall().refusal(request_of(ALICE, "REGISTER"), "n/9").status == 430


# What an operator sees.


def test_keeps_the_reasons_for_why() -> None:
    """An operator reads when, from where, under which name and why a sign-in failed, newest first, and what helps."""
    hall = Hall()
    hall.failed(alice("wrong", user="alice"))
    hall.clock.advance(1)
    hall.failed(alice(wall=WALL + 9000))
    first, second = hall.gate.signins.failures(ALICE)
    assert (first.wall, first.address, first.reason, first.account) == (WALL, "192.0.2.1", "wrong password", "alice")
    assert second.detail == "its clock is 8999 s ahead"
    reasons = result_of(hall.gate.signins.reasons(ALICE))
    assert [reason.good for reason in reasons] == [False, False]
    assert reasons[1].finding == "2023-11-14T22:13:20Z from 192.0.2.1 as 'alice': wrong password"
    assert "clock" in reasons[0].remedy
    assert hall.meter.count("lyncpy_core_signin_failures_total", reason="wrong password") == 1
    assert hall.meter.count("lyncpy_core_signins_total", scheme="ntlm", result="failed") == 2


def test_says_when_nothing_failed_and_when_somebody_must_wait() -> None:
    """`why` tells a quiet account from one whose tries are used up."""
    hall = Hall(tries_per_user=1)
    (quiet,) = result_of(hall.gate.signins.reasons(ALICE))
    assert quiet.good
    hall.failed(alice("wrong"))
    assert (
        result_of(hall.gate.signins.reasons(ALICE))[0].finding
        == "refused from 192.0.2.1 for another 30 s after 1 failures"
    )


def test_remembers_the_last_failures_also_of_names_that_do_not_exist() -> None:
    """An operator finds ten of a user, and those of a name that was mistyped."""
    hall = Hall(tries_per_user=1000)
    for _ in range(12):
        hall.failed(alice("wrong"))
    hall.refusal(request_of("sip:nobody@contoso.test", "REGISTER"))
    assert len(hall.gate.signins.failures(ALICE)) == 10
    assert [failure.reason for failure in hall.gate.signins.failures(Aor("sip:nobody@contoso.test"))] == [
        "unknown user"
    ]


def test_what_is_remembered_of_users_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound the oldest history goes."""
    monkeypatch.setattr(signins, "USERS_REMEMBERED", 1)
    hall = Hall()
    bob = NtlmClient("bob@contoso.test", "wrong", wall=lambda: WALL)
    hall.failed(alice("wrong"))
    hall.failed(bob, BOB)
    assert (len(hall.gate.signins.failures(ALICE)), len(hall.gate.signins.failures(BOB))) == (0, 1)


def test_logs_a_failure_with_its_reason_and_no_secret() -> None:
    """The log names who, from where and why, at a level that is kept."""
    events: list[LogEvent] = []
    observer = cast(ILogObserver, events.append)  # typed for named parameters
    globalLogPublisher.addObserver(observer)
    try:
        Hall(tries_per_user=1).failed(alice("wrong", user="alice\n" + "x" * 200))
    finally:
        globalLogPublisher.removeObserver(observer)
    failure = next(event for event in events if event.get("reason") == "unknown user")
    assert failure["log_level"].name == "info"
    assert (failure["aor"], failure["address"]) == (ALICE, "192.0.2.1")
    assert "\n" not in failure["account"]
    assert len(failure["account"]) < 90
    assert any(event["log_level"].name == "warn" and event.get("wait_s") == 30.0 for event in events)


def test_a_log_shows_nothing_that_a_terminal_would_obey() -> None:
    """An address that nobody has may hold anything; the line in the log holds letters."""
    with overheard() as heard:
        Hall().refusal(request_of("sip:\x1b[2J\u202e\udcff@contoso.test", "REGISTER"))
    (line,) = [event for event in heard if event.get("reason") == "unknown user"]
    assert line["aor"] == "sip:%1b%5b2j%e2%80%ae%ed%b3%bf@contoso.test"


# Steps that take their time.


@implementer(IAuthenticator)
class SlowLock:
    """A scheme whose step ends when the test says so."""

    scheme = "NTLM"

    def __init__(self) -> None:
        self.outcome: Deferred[Challenge | AuthenticationDenied] = Deferred()
        self.forgotten: list[str] = []

    def initial(self) -> str:
        """Give a challenge."""
        return "NTLM x"

    async def step(self, arrival: Arrival, credentials: str) -> Challenge | AuthenticationDenied:
        """Wait."""
        return await self.outcome

    def drop_handshake(self, flow: str) -> None:
        """Remember."""
        self.forgotten.append(flow)


def status_of(attempt: Deferred[Arrival]) -> list[int]:
    """The status of a refusal, when it comes."""
    statuses: list[int] = []

    def refused(failure: Failure) -> None:
        refusal = failure.value
        assert isinstance(refusal, Refused)
        statuses.append(refusal.status)

    _ = attempt.addErrback(refused)
    return statuses


def slow(hall: Hall) -> tuple[SlowLock, Callable[[], Deferred[Arrival]]]:
    """Put a slow lock into the gate."""
    lock = SlowLock()
    hall.gate = gate_of([lock], hall.signins, hall.flows, hall.meter, Settings(), timers_of(hall.clock))
    hall.opened()
    request = request_of(ALICE, "REGISTER", ("Authorization", "NTLM y"))
    return lock, lambda: started(hall.gate.admit(hall.arrival(request)))


def test_takes_one_step_of_a_flow_at_a_time() -> None:
    """A client that sends a second answer before the first was judged is told to wait."""
    lock, knock = slow(Hall())
    first, second = status_of(knock()), status_of(knock())
    assert (first, second) == ([], [503])
    lock.outcome.callback(Challenge("NTLM z"))
    assert first == [401]


def test_nobody_signs_in_on_a_flow_that_has_closed() -> None:
    """A handshake that ends after its connection leaves nothing behind."""
    hall = Hall()
    last = hall.challenged(alice())
    wait: Deferred[bytes | None] = Deferred()

    async def slow_hash(aor: Aor) -> bytes | None:
        return await wait

    hall.secrets.nt_hash = slow_hash  # type: ignore[method-assign]  # a slow store
    statuses = status_of(started(hall.gate.admit(hall.arrival(last))))
    hall.gate.closed(FLOW)
    wait.callback(nt_hash(PASSWORD))
    assert statuses == [430]
    assert hall.gate.seal(FLOW, Response(200, "OK", Headers())) == Response(200, "OK", Headers())


def test_forgets_handshakes_of_closed_flows() -> None:
    """A scheme hears when a connection is gone."""
    hall = Hall()
    lock, _ = slow(hall)
    hall.gate.closed(FLOW)
    assert lock.forgotten == [FLOW]


def test_prepared_notifications_wait_for_new_keys_too() -> None:
    """What was written ahead is held back, keeps its place, and leaves signed with the keys of then."""
    hall = Hall()
    client = hall.signed_in()
    template = Template(request_of(ALICE, "BENOTIFY"))
    first, second = Prepared(template, 7, b"<a/>"), Prepared(template, 8, b"<b/>")
    for prepared in (first, second):
        prepared.vias = "Via: SIP/2.0/TLS fe1.contoso.test:5061;branch=z9hG4bK1"
    assert hall.gate.seal(FLOW, first) is first
    assert client.verify(first.request())
    client.restart()
    last = hall.challenged(client)
    message = request_of(BOB, "MESSAGE")
    assert [hall.gate.seal(FLOW, one) for one in (second, message)] == [None, None]
    hall.admit(last)
    assert [sent.method for _, sent in hall.flows.sent if isinstance(sent, Request)] == ["BENOTIFY", "MESSAGE"]
    assert hall.gate.seal(FLOW, second) is second
    assert client.verify(second.request())


def test_a_prepared_notification_to_a_stranger_is_unsigned() -> None:
    """Where nobody has signed in there is nothing to sign with."""
    prepared = Prepared(Template(request_of(ALICE, "BENOTIFY")), 1, b"")
    assert Hall().gate.seal(FLOW, prepared) is prepared
    assert prepared.signature == ""
