"""Guests at the gate: who comes in, who has to wait, and what is never mixed with accounts."""

import pytest
from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.digest import DigestCredentials, DigestProof, answer
from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import Person
from lyncpy.contracts.guests import GuestAccess, IGuests
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.contracts.networks import Relays
from lyncpy.contracts.refusal import Refused
from lyncpy.core.anonymous import AnonymousGate
from lyncpy.core.called_as import CalledAs
from lyncpy.core.gate import CHALLENGES_PER_FLOW, Gate
from lyncpy.core.settings import Settings
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request, response_to
from tests.kit.gatehouse import RecordedFlows, TablePeople, TableSecrets, request_of, signins_of, timers_of
from tests.kit.meters import MemoryMeter
from tests.kit.ntlm_client import NtlmClient, challenge_of
from tests.kit.results import result_of

FOCUS = "sip:bob@contoso.test;gruu;opaque=app:conf:focus:id:854T0R7G"
OTHER = FOCUS.replace("854T", "OTHR")
KEY = "Key12345"
ZOE, YAN = "sip:zoe@anonymous.invalid", "sip:yan@anonymous.invalid"
ALICE = Aor("sip:alice@contoso.test")
FLOW = FlowName("n/1")


@implementer(IGuests)
class Doors:
    """Every address has a door, and all the same key."""

    def __init__(self) -> None:
        self.inside: set[str] = set()

    def door(self, uri: str) -> GuestAccess:
        """Give the door named by the URI."""
        return GuestAccess(uri, "bob@contoso.test", (KEY,))

    def is_inside(self, guest: Aor) -> bool:
        """Tell whether a test says so."""
        return guest in self.inside


class House:
    """A gate with a reception, and guests before it."""

    def __init__(self, limits: dict[str, object] | None = None, **auth: object) -> None:
        self.clock = Clock()
        self.flows = RecordedFlows()
        self.meter = MemoryMeter()
        self.doors = Doors()
        timers = timers_of(self.clock)
        rules = AuthSettings.model_validate(auth)
        settings = Settings.model_validate(limits or {})
        proof = DigestProof(answer_s=60.0, lifetime_s=28_800.0)
        self.anonymous_gate = AnonymousGate(
            proof, self.flows, self.doors, self.meter, rules, settings, timers, Relays(())
        )
        people, secrets = TablePeople(Person(ALICE, "1")), TableSecrets({ALICE: nt_hash("secret")})
        ntlm = NtlmAuthenticator(people, secrets, rules, "fe1.contoso.test", "contoso.test", timers, None)
        self.gate = Gate(
            [ntlm],
            signins_of(people, rules, self.meter, timers),
            self.flows,
            self.meter,
            settings,
            timers,
            self.anonymous_gate,
            CalledAs(bytes),
        )
        self.asked: dict[FlowName, dict[str, str]] = {}
        self.counts: dict[FlowName, int] = {}
        self.peers: dict[FlowName, str] = {}
        self.opens(FLOW)

    def opens(self, flow: FlowName, peer: str = "192.0.2.1") -> None:
        """A connection comes."""
        self.peers[flow] = peer
        self.gate.opened(flow, peer, secure=True)

    def admit(self, request: Request, flow: FlowName = FLOW) -> Arrival:
        """The gate takes a request."""
        return result_of(self.gate.admit(Arrival(request, flow, self.peers[flow], self.clock.seconds())))

    def refusal(self, request: Request, flow: FlowName = FLOW) -> Refused:
        """The gate refuses a request; a challenge is remembered."""
        with pytest.raises(Refused) as caught:
            self.admit(request, flow)
        value = dict(caught.value.headers).get("WWW-Authenticate")
        if value is not None and value.startswith("Digest"):
            self.asked[flow], self.counts[flow] = parse_auth(value)[1], 0
        return caught.value

    def proven(self, request: Request, flow: FlowName = FLOW, key: str = KEY) -> Request:
        """A request with an answer to the last challenge."""
        self.counts[flow] += 1
        given, nc = self.asked[flow], f"{self.counts[flow]:08x}"
        mine = DigestCredentials("x", given["realm"], given["nonce"], request.uri, "", "c", nc, session=True)
        value = (
            f'Digest username="x", realm="{mine.realm}", nonce="{mine.nonce}", uri="{mine.uri}", cnonce="c", nc={nc},'
            f' qop=auth, algorithm=MD5-sess, response="{answer(mine, key, request.method)}"'
        )
        return request.edited(last=[("Authorization", value)])

    def comes(self, who: str = ZOE, flow: FlowName = FLOW, key: str = KEY) -> Arrival:
        """A guest is asked, and answers."""
        assert self.refusal(invite(who), flow).status == 401
        return self.admit(self.proven(invite(who), flow, key), flow)

    def guesses(self, flow: FlowName = FLOW, uri: str = FOCUS) -> int:
        """A guest is asked, and answers wrongly; the status of the last answer."""
        first = self.refusal(invite(uri=uri), flow).status
        return first if first != 401 else self.refusal(self.proven(invite(uri=uri), flow, "wrong"), flow).status


def invite(who: str = ZOE, method: str = "INVITE", uri: str = FOCUS, *more: tuple[str, str]) -> Request:
    """A guest's request."""
    return Request(method, uri, request_of(who, method, *more).headers)


def number(refused: Refused) -> int:
    """Give the error id."""
    assert refused.diagnostics is not None
    return refused.diagnostics.error_id


def test_a_guest_comes_in_and_is_known_as_one() -> None:
    """Address and device are those of his first request; he is no stranger any more."""
    house = House()
    who = house.comes().sender
    assert (who.aor, who.epid, who.scheme, who.guest) == (ZOE, "e1", "Digest", True)
    assert len(house.anonymous_gate) == 1
    house.clock.advance(31)
    assert FLOW not in house.flows.closed


def test_who_sends_no_epid_is_known_by_his_tag() -> None:
    """Two dialogs of one device are one device, as long as the connection lives."""
    house = House()
    bare = invite().edited(put=[("From", f"<{ZOE}>;tag=a-very-long-tag-0123456789")])
    house.refusal(bare)
    assert house.admit(house.proven(bare)).sender.epid == "a-very-long-tag-"
    assert house.admit(house.proven(invite())).sender.epid == "a-very-long-tag-"


def test_his_answers_are_believed_and_nothing_is_signed() -> None:
    """There is no association: what is said on his connection is as safe as that, before he is known nothing is."""
    house = House()
    request = invite()
    response = response_to(request, 200)
    assert not house.gate.accepts_response(FLOW, response)
    house.comes()
    assert house.gate.accepts_response(FLOW, response)
    assert house.gate.seal(FLOW, request) is request


def test_an_ack_is_never_asked_again() -> None:
    """A guest's own needs no proof, a stranger's is worth nothing."""
    house = House()
    assert house.refusal(invite(method="ACK")).status == 401  # which nobody sends
    house.comes()
    assert house.admit(invite(method="ACK")).sender.aor == ZOE
    assert house.refusal(invite(YAN, "ACK")).status == 403


def test_every_other_request_needs_its_proof() -> None:
    """Without one he is asked, on the same connection too."""
    house = House()
    house.comes()
    bye = invite(method="BYE")
    assert house.refusal(bye).status == 401
    assert house.admit(house.proven(bye)).sender.aor == ZOE


@pytest.mark.parametrize("user", ["", "a%20b", "a&b", ".a", "a" * 65])
def test_a_guests_address_is_plain(user: str) -> None:
    """Whatever else stands there must not reach a roster."""
    house = House()
    refused = house.refusal(invite(f"sip:{user}@anonymous.invalid"))
    assert (refused.status, number(refused)) == (403, 4004)


@pytest.mark.parametrize(
    "request_", [invite(method="REGISTER"), invite(ZOE, "SUBSCRIBE", FOCUS, ("Event", "presence"))]
)
def test_a_guest_may_do_little(request_: Request) -> None:
    """Nothing but to take part, wherever he asks for it."""
    assert number(House().refusal(request_)) == 3019


def test_a_name_belongs_to_one_connection() -> None:
    """Nobody else has it until that is gone."""
    house, second = House(), FlowName("n/2")
    house.comes()
    house.opens(second)
    house.refusal(invite(), second)
    assert number(house.refusal(house.proven(invite(), second), second)) == 4004
    house.gate.closed(FLOW)
    assert house.comes(flow=second).sender.aor == ZOE
    assert house.refusal(house.proven(invite(YAN), second), second).status == 403


def test_wrong_keys_are_counted_for_address_and_conference() -> None:
    """One address may guess a little at one conference, and is then refused unseen, there only."""
    house = House(tries_per_user=2, tries_per_address=100)
    assert [house.guesses() for _ in range(3)] == [401, 401, 503]
    assert house.guesses(uri=OTHER) == 401
    assert house.meter.count("lyncpy_core_guest_failures_total") == 3
    house.clock.advance(30)
    assert house.comes().sender.aor == ZOE
    # Who is in is not asked to wait for what others do.
    assert house.admit(house.proven(invite(method="BYE"))).sender.guest


def test_the_right_key_makes_up_for_wrong_ones() -> None:
    """A guest who mistyped it does not leave the next one of his company waiting."""
    house, second = House(tries_per_user=2, tries_per_address=100), FlowName("n/2")
    assert house.guesses() == 401
    house.comes()
    house.opens(second)
    assert [house.guesses(second) for _ in range(3)] == [401, 401, 503]


def test_guesses_from_everywhere_find_an_end_too() -> None:
    """Where many guess at a conference each new place has one try, and so has an address that guesses at many, at each."""
    house = House(tries_per_user=100, tries_per_address=3)
    flows = [FlowName(f"n/{serial}") for serial in range(2, 7)]
    for serial, flow in enumerate(flows):
        house.opens(flow, f"192.0.2.{serial + 10}")
    assert [house.guesses(flow) for flow in flows] == [401] * 5
    assert [house.guesses(flow) for flow in flows] == [503] * 5
    assert [house.guesses(uri=f"{OTHER}{place}") for place in range(4)] == [401] * 4
    assert [house.guesses(uri=f"{OTHER}{place}") for place in range(4)] == [503] * 4


def test_a_guesser_does_not_shut_out_the_guests_beside() -> None:
    """Of one address, whatever somebody guesses at other conferences: whoever knows the key of theirs comes in."""
    house = House(tries_per_address=3)
    for place in range(20):
        while house.guesses(uri=f"{OTHER}{place}") == 401:
            pass
    house.opens(FlowName("n/2"))
    assert house.comes(YAN, FlowName("n/2")).sender.guest


def test_who_cannot_stop_asking_is_disconnected() -> None:
    """As anybody on whose connection nobody signs in."""
    house = House()
    for _ in range(CHALLENGES_PER_FLOW + 1):
        house.refusal(invite())
    assert house.flows.closed[FLOW] == "too many challenges"


def test_there_are_only_so_many_guests() -> None:
    """From one address, and in all."""
    house = House({"guests_per_address": 2, "guests_total": 3})
    flows = [FlowName(f"n/{serial}") for serial in range(2, 7)]
    for serial, flow in enumerate(flows):
        house.opens(flow, "192.0.2.9" if serial < 3 else f"192.0.3.{serial}")
        house.refusal(invite(f"sip:g{serial}@anonymous.invalid"), flow)

    def come(serial: int) -> Request:
        return house.proven(invite(f"sip:g{serial}@anonymous.invalid"), flows[serial])

    for serial in (0, 1):
        house.admit(come(serial), flows[serial])
    assert house.refusal(come(2), flows[2]).status == 503
    house.admit(come(3), flows[3])
    assert house.refusal(come(4), flows[4]).status == 503
    house.gate.closed(flows[0])
    assert house.admit(come(2), flows[2]).sender.guest


def test_who_is_in_no_conference_is_disconnected() -> None:
    """After a while; who takes part may stay."""
    house = House()
    house.comes()
    house.doors.inside.add(ZOE)
    house.clock.advance(61)
    assert FLOW not in house.flows.closed
    house.doors.inside.clear()
    house.clock.advance(60)
    assert house.flows.closed[FLOW] == "a guest who is in no conference"


def test_nobody_signs_in_on_a_guests_connection() -> None:
    """Not even if he began before he was a guest: what was sent to one must not reach the other."""
    house, client = House(), NtlmClient("alice@contoso.test", "secret", wall=lambda: 1_700_000_000.0)
    first = house.refusal(request_of(ALICE, "REGISTER", number=1)).response(request_of(ALICE, "REGISTER"))
    second = house.refusal(client.answer(request_of(ALICE, "REGISTER", number=2), challenge_of(first)))
    last = client.answer(
        request_of(ALICE, "REGISTER", number=3), challenge_of(second.response(request_of(ALICE, "REGISTER")))
    )
    house.comes()
    refused = house.refusal(last)
    assert (refused.status, number(refused)) == (403, 4004)


def test_a_user_does_not_become_a_guest() -> None:
    """Where somebody has signed in, the address in From is his."""
    house, client = House(), NtlmClient("alice@contoso.test", "secret", wall=lambda: 1_700_000_000.0)
    first = house.refusal(request_of(ALICE, "REGISTER", number=1)).response(request_of(ALICE, "REGISTER"))
    second = house.refusal(client.answer(request_of(ALICE, "REGISTER", number=2), challenge_of(first)))
    house.admit(
        client.answer(
            request_of(ALICE, "REGISTER", number=3), challenge_of(second.response(request_of(ALICE, "REGISTER")))
        )
    )
    assert number(house.refusal(client.sign(invite()))) == 4004


def test_an_address_that_only_looks_like_a_guests_is_none() -> None:
    """Whoever has it is asked for an account."""
    assert not House().anonymous_gate.expects(invite("sip:zoe@anonymous.invalid.test"))
