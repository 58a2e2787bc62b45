"""Passing requests on: forks, best answers, what changes at the hop."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.directory import Person
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, FlowName, Instance
from lyncpy.contracts.refusal import Refused
from lyncpy.core.asserted_identity import AssertedIdentity
from lyncpy.core.called_as import CalledAs
from lyncpy.core.forward import ForkResult, Forward, RingTimes
from lyncpy.core.timers import Timers
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response
from tests.kit.hall import FewPeople
from tests.kit.holdings import held
from tests.kit.outbound import FakeOutbound
from tests.kit.results import result_of, started


def _endpoint(name: str) -> Endpoint:
    return Endpoint(
        aor=Aor("sip:bob@example.test"),
        epid=Epid(name),
        instance=Instance(""),
        gruu="",
        contact=f"sip:127.0.0.1:{len(name)}000;transport=tls",
        flow=FlowName(name),
        user_agent="",
        since=0.0,
        expires=0.0,
        address="127.0.0.1",
    )


def _arrival(method: str = "INVITE", extra: tuple[tuple[str, str], ...] = ()) -> Arrival:
    headers = Headers(
        [
            ("Via", "SIP/2.0/tls 127.0.0.1:40000"),
            ("From", "<sip:alice@example.test>;tag=a1;epid=e1"),
            ("To", "<sip:bob@example.test>"),
            ("Max-Forwards", "70"),
            ("CSeq", f"1 {method}"),
            ("Call-ID", "c1"),
            ("Contact", "<sip:alice@example.test;opaque=user:epid:AAAA;gruu>"),
            ("X-Unread", "  kept,  as it came "),
            *extra,
        ]
    )
    return Arrival(
        Request(method, "sip:bob@example.test", headers, b"v=0"), FlowName("n/a"), "127.0.0.1", 0.0, ALICE_SENDS
    )


ALICE, BOB = Aor("sip:alice@example.test"), Aor("sip:bob@example.test")
ALICE_SENDS = Identity(ALICE, Epid("e1"), "NTLM")


class Scene:
    """A proxy, its endpoints, and the one answer."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.outbound = FakeOutbound()
        timers = Timers(self.clock, lambda: 0.0)
        people = FewPeople(
            [Person(ALICE, "a", display_name="Alice"), Person(BOB, "b", display_name="Bob", line="tel:+1555")]
        )
        self.asserted_identity = AssertedIdentity(people, timers)
        self.forward = Forward(
            self.outbound,
            "sip:sip.example.test:5061;transport=tls;lr",
            self.asserted_identity,
            timers,
            CalledAs(bytes),
        )
        self.early: list[tuple[str, str]] = []
        self.answers: list[ForkResult] = []
        self.provisional: list[Response] = []

    def fork(self, *names: str, method: str = "INVITE", extra: tuple[tuple[str, str], ...] = ()) -> Arrival:
        arrival = _arrival(method, extra)
        arrival.provisional = self.provisional.append
        endpoints = [_endpoint(name) for name in names]

        def early(tag: str, endpoint: Endpoint, give_up: object) -> None:
            self.early.append((tag, endpoint.epid))

        work: Deferred[Any] = started(self.forward.fork(arrival, endpoints, RingTimes(20.0, 180.0), early))
        _ = work.addCallback(self.answers.append)
        return arrival

    @property
    def status(self) -> int:
        assert len(self.answers) == 1
        return self.answers[0].response.status


@pytest.fixture
def scene() -> Scene:
    """Give an empty scene."""
    return Scene()


def test_the_first_acceptance_wins_and_the_others_are_cancelled(scene: Scene) -> None:
    """Bob takes the call on one device; his other ones stop ringing."""
    scene.fork("desk", "laptop")
    scene.outbound.to("laptop").answers(200)
    assert scene.status == 200
    assert scene.answers[0].endpoint == _endpoint("laptop")
    assert scene.outbound.to("desk").cancelled == 1


def test_a_refusal_waits_for_the_other_devices(scene: Scene) -> None:
    """Bob declines on one device and accepts on another: he has accepted."""
    scene.fork("desk", "laptop")
    scene.outbound.to("desk").answers(486)
    assert scene.answers == []
    scene.outbound.to("laptop").answers(200)
    assert scene.status == 200


def test_decline_everywhere_ends_the_fork(scene: Scene) -> None:
    """605 speaks for all devices of a user."""
    scene.fork("desk", "laptop")
    scene.outbound.to("desk").answers(605)
    assert scene.status == 605
    assert scene.outbound.to("laptop").cancelled == 1


@pytest.mark.parametrize(("one", "other", "best"), [(480, 486, 486), (404, 603, 603), (415, 500, 415), (487, 486, 486)])
def test_the_most_telling_refusal_is_passed_on(scene: Scene, one: int, other: int, best: int) -> None:
    """Of several failures the sender hears the one that says most."""
    scene.fork("desk", "laptop")
    scene.outbound.to("desk").answers(one)
    scene.outbound.to("laptop").answers(other)
    assert scene.status == best


def test_a_lost_connection_says_the_least(scene: Scene) -> None:
    """A device that vanished does not hide what another one said."""
    scene.outbound.gone.add(FlowName("desk"))
    scene.fork("desk", "laptop")
    scene.outbound.to("laptop").answers(488)
    assert scene.status == 488


def test_only_lost_connections_give_430(scene: Scene) -> None:
    """When every device vanished, the sender learns that the way is broken."""
    scene.outbound.gone.add(FlowName("desk"))
    scene.fork("desk")
    assert scene.status == 430
    assert (scene.answers[0].response.headers.get("ms-diagnostics") or "").startswith("1006;")


def test_silence_is_a_timeout(scene: Scene) -> None:
    """No device reacts: 408 with a reason, and the devices are told to stop."""
    scene.fork("desk")
    scene.clock.advance(20.0)
    assert scene.status == 408
    assert scene.outbound.to("desk").cancelled == 1


def test_ringing_has_more_time(scene: Scene) -> None:
    """A call that rings is not cut after the time for silence, and the caller hears it ring."""
    scene.fork("desk")
    scene.outbound.to("desk").rings()
    scene.clock.advance(60.0)
    assert scene.answers == []
    assert [response.status for response in scene.provisional] == [180]


def test_the_caller_gives_up(scene: Scene) -> None:
    """CANCEL is answered at once with 487, for a real client does not answer a CANCEL; its devices are told."""
    arrival = scene.fork("desk")
    arrival.cancel()
    assert scene.status == 487
    assert scene.outbound.to("desk").cancelled == 1


def test_a_caller_who_gave_up_before_the_fork_rings_nowhere(scene: Scene) -> None:
    """He vanished while his session was being noted: no device is asked any more."""
    arrival = _arrival()
    arrival.cancel()
    outcome = result_of(scene.forward.fork(arrival, [_endpoint("desk")], RingTimes(1.0, 1.0)))
    assert outcome.response.status == 487
    assert scene.outbound.calls == []


def test_a_late_acceptance_is_taken_and_ended(scene: Scene) -> None:
    """A device that accepts after all gets ACK and BYE, so that it does not talk to nobody."""
    scene.fork("desk", "laptop")
    scene.outbound.to("laptop").answers(200)
    scene.outbound.to("desk").answers_late()
    assert [request.method for _, request in scene.outbound.told] == ["ACK"]
    bye = scene.outbound.to("desk").request
    assert bye.method == "BYE"
    assert bye.to.tag == "late-desk"
    assert bye.cseq.number == 2


def test_a_second_acceptance_in_time_is_ended_too(scene: Scene) -> None:
    """Two devices accept in the same moment: one has the call."""
    scene.fork("desk", "laptop")
    scene.outbound.to("laptop").answers(200)
    scene.outbound.to("desk").answers(200)
    assert scene.outbound.to("desk").request.method == "BYE"


@pytest.mark.parametrize("header", [("Contact", "<sip:>"), ("Record-Route", ";a")])
def test_a_second_acceptance_that_makes_no_dialog_is_passed_over(scene: Scene, header: tuple[str, str]) -> None:
    """What a device writes into its answer cannot disturb the call that another device has."""
    scene.fork("desk", "laptop")
    scene.outbound.to("laptop").answers(200)
    scene.outbound.to("desk").answers(200, headers=(header,))
    assert scene.status == 200
    assert [call.request.method for call in scene.outbound.calls] == ["INVITE", "INVITE"]


def test_what_belongs_to_the_hop_changes_and_nothing_else(scene: Scene) -> None:
    """Signature, Route and claimed identity end here; our identity and Record-Route are added; the rest is untouched."""
    scene.fork(
        "desk",
        extra=(
            ("Authorization", 'NTLM response="00"'),
            ("Route", "<sip:sip.example.test:5061;lr>"),
            ("P-Preferred-Identity", "<sip:boss@example.test>"),
        ),
    )
    sent = scene.outbound.to("desk").request
    assert sent.uri == "sip:127.0.0.1:4000;transport=tls"
    assert sent.max_forwards == 69
    assert sent.headers.get("Record-Route") == "<sip:sip.example.test:5061;transport=tls;lr>"
    assert sent.headers.get("P-Asserted-Identity") == '"Alice" <sip:alice@example.test>'
    for name in ("Authorization", "Route", "P-Preferred-Identity"):
        assert name not in sent.headers
    assert sent.headers.get("X-Unread") == "kept,  as it came"
    assert sent.body == b"v=0"


def test_the_answer_is_made_to_fit_the_request(scene: Scene) -> None:
    """Whatever an endpoint writes into Via, Call-ID and CSeq, the sender gets his own back, and the tag of the peer."""
    scene.fork("desk")
    scene.outbound.to("desk").answers(
        200,
        tag="b1",
        headers=(("Authorization", "NTLM response"), ("Via", "SIP/2.0/TLS evil.test"), ("Supported", "ms-text-format")),
    )
    response = scene.answers[0].response
    assert response.headers.get_all("Via") == ("SIP/2.0/tls 127.0.0.1:40000",)
    assert response.to.tag == "b1"
    assert response.headers.get("Supported") == "ms-text-format"
    assert response.headers.get_all("Record-Route") == ("<sip:sip.example.test:5061;transport=tls;lr>",)
    assert "Authorization" not in response.headers


@pytest.mark.parametrize("status", [180, 183, 200, 486])
def test_an_answer_carries_the_identity_of_who_gave_it(scene: Scene, status: int) -> None:
    """Who answers, rings or refuses is said by the directory: name, address and line; what the device says is not."""
    scene.fork("desk")
    claimed = (("P-Asserted-Identity", '"The boss" <sip:boss@example.test>'), ("Remote-Party-ID", "<sip:boss@x.test>"))
    if status < 200:
        scene.outbound.to("desk").rings(status, headers=claimed)
    else:
        scene.outbound.to("desk").answers(status, headers=claimed)
    answer = (scene.provisional or [one.response for one in scene.answers])[0]
    assert answer.status == status
    assert answer.headers.get_all("P-Asserted-Identity") == ('"Bob" <sip:bob@example.test>,<tel:+1555>',)
    assert "Remote-Party-ID" not in answer.headers


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_a_device_cannot_ask_for_credentials(scene: Scene, status: int, method: str) -> None:
    """A client signs for whoever asks in the server's name: it hears that the recipient cannot be reached."""
    scene.fork("desk", method=method)
    scene.outbound.to("desk").answers(
        status, headers=(("WWW-Authenticate", 'NTLM realm="x", targetname="evil"'), ("Proxy-Authenticate", "NTLM"))
    )
    response = scene.answers[0].response
    assert response.status == 480
    assert (response.headers.get("ms-diagnostics") or "").startswith("1;")
    assert "WWW-Authenticate" not in response.headers
    assert "Proxy-Authenticate" not in response.headers


def test_a_challenge_is_the_least_telling_refusal(scene: Scene) -> None:
    """What the other device says counts."""
    scene.fork("desk", "laptop")
    scene.outbound.to("desk").answers(401)
    scene.outbound.to("laptop").answers(486)
    assert scene.status == 486


@pytest.mark.parametrize(
    "to",
    [
        '"The boss" <sip:boss@example.test>;tag=b1;epid=e2',
        "<sip:bob@example.test.evil>;tag=b1;epid=e2",
        "<sip:bob@example.test>, <sip:boss@example.test>;tag=b1;epid=e2",
    ],
)
def test_a_device_answers_as_who_was_asked(scene: Scene, to: str) -> None:
    """Whoever writes another into To is still who was asked; tag and epid are the device's."""
    scene.fork("desk")
    call = scene.outbound.to("desk")
    answer = Response(486, "", call.request.headers.edited(put=[("To", to)]))
    if "," in to:
        with pytest.raises(RemoteProtocolError):
            _ = answer.to  # such an answer is dropped on its way in
        return
    call.final.callback(answer)
    assert scene.answers[0].response.headers.get("To") == "<sip:bob@example.test>;tag=b1;epid=e2"


def test_within_a_dialog_an_answer_keeps_the_tags(scene: Scene) -> None:
    """A device that answers in the name of another dialog does so in vain."""
    arrival = _arrival("UPDATE")
    arrival.request = arrival.request.edited(put=[("To", "<sip:bob@example.test>;tag=b1")])
    work = started(scene.forward.pass_on(arrival, _endpoint("desk"), 30.0))
    _ = work.addCallback(scene.answers.append)
    call = scene.outbound.to("desk")
    call.final.callback(Response(200, "OK", call.request.headers.edited(put=[("To", "<sip:x@y.test>;tag=other")])))
    assert scene.answers[0].response.headers.get("To") == "<sip:bob@example.test>;tag=b1"


def test_an_invitation_says_where_it_was_sent_to(scene: Scene) -> None:
    """A device sees for which address it rings; what the caller claims of that does not count."""
    scene.fork("desk", extra=(("History-Info", "<sip:boss@example.test>;index=1"), ("Diversion", "<sip:boss@x.test>")))
    sent = scene.outbound.to("desk").request
    assert sent.headers.get_all("History-Info") == ("<sip:bob@example.test>;index=1",)
    assert "Diversion" not in sent.headers


def test_each_device_that_rings_has_an_early_dialog(scene: Scene) -> None:
    """The tags of all are told before the caller can use them."""
    scene.fork("desk", "laptop")
    scene.outbound.to("desk").rings(183, tag="t1")
    scene.outbound.to("laptop").rings(180, tag="t2")
    scene.outbound.to("laptop").rings(100, tag="t3")
    assert scene.early == [("t1", "desk"), ("t2", "laptop")]
    assert [one.to.tag for one in scene.provisional] == ["t1", "t2"]
    assert all(one.headers.get("Record-Route") for one in scene.provisional)


def test_who_was_referred_may_say_by_whom_for_a_while(scene: Scene) -> None:
    """Alice refers Bob: his next call may name her. Nobody else may, and no later call."""
    work = started(scene.forward.pass_on(_arrival("REFER"), _endpoint("desk"), 30.0))
    _ = work.addCallback(scene.answers.append)
    said = Headers([("Referred-By", "<sip:alice@example.test>")])
    assert scene.asserted_identity.unbacked(said, BOB)
    scene.outbound.to("desk").answers(202)
    assert not scene.asserted_identity.unbacked(said, BOB)
    assert scene.asserted_identity.unbacked(said, Aor("sip:carol@example.test"))
    scene.clock.advance(200)
    scene.asserted_identity.referred(ALICE, BOB)
    referred = sum(held(scene.asserted_identity).values())
    scene.clock.advance(200)
    assert not scene.asserted_identity.unbacked(said, BOB)
    scene.clock.advance(101)
    assert scene.asserted_identity.unbacked(said, BOB)
    assert sum(held(scene.asserted_identity).values()) == referred - 1


def test_a_request_does_not_go_round_for_ever() -> None:
    """Max-Forwards 0 is refused with 483."""
    scene = Scene()
    arrival = _arrival()
    arrival.request = arrival.request.edited(put=[("Max-Forwards", "0")])
    with pytest.raises(Refused) as refused:
        result_of(scene.forward.fork(arrival, [_endpoint("desk")], RingTimes(1.0, 1.0)))
    assert refused.value.status == 483


def test_within_a_dialog_one_endpoint_is_asked(scene: Scene) -> None:
    """A message in a session goes to the one device that is in it, and its answer comes back."""
    work = started(scene.forward.pass_on(_arrival("MESSAGE"), _endpoint("desk"), 30.0))
    _ = work.addCallback(scene.answers.append)
    scene.outbound.to("desk").answers(200)
    assert scene.status == 200
    assert "Record-Route" not in scene.outbound.to("desk").request.headers


def test_a_silent_device_within_a_dialog_is_a_timeout(scene: Scene) -> None:
    """The sender of a message that nobody answers hears 408."""
    work = started(scene.forward.pass_on(_arrival("MESSAGE"), _endpoint("desk"), 30.0))
    _ = work.addCallback(scene.answers.append)
    scene.outbound.to("desk").fails(408)
    assert scene.status == 408


def test_an_ack_is_passed_on_or_lost(scene: Scene) -> None:
    """An ACK has no answer, so a closed connection swallows it."""
    scene.forward.pass_ack(_arrival("ACK"), _endpoint("desk"))
    scene.outbound.gone.add(FlowName("desk"))
    scene.forward.pass_ack(_arrival("ACK"), _endpoint("desk"))
    assert [request.method for _, request in scene.outbound.told] == ["ACK"]
