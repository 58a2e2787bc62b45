"""Subscriptions: how they begin, speak and end."""

from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.bus import Interest
from lyncpy.contracts.facts import EndpointGone, EndpointGoneReason, FlowClosed
from lyncpy.contracts.names import Aor, Epid, FlowName, NodeName
from lyncpy.contracts.refusal import Refused
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.core.timers import Timers
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.sip.subscription import Document, SubscriptionTerms
from tests.kit.outbound import FakeOutbound
from tests.kit.results import result_of

ALICE = Aor("sip:alice@example.test")
FLOW = FlowName("n/1")
DOCUMENT = Document("application/test+xml", b"<whole/>")
MODERN = ("ms-benotify", "ms-piggyback-first-notify")


class Scene:
    """A notifier with a client on a fake wire."""

    def __init__(self, per_flow: int = 5, per_user: int = 50) -> None:
        self.clock = Clock()
        self.outbound = FakeOutbound()
        self.bus = MemoryBus(NodeName("n"), self.clock)
        timers = Timers(self.clock, lambda: 0.0)
        self.notifier = Notifier(
            self.outbound, self.bus, "sip:sip.example.test:5061", timers, per_flow=per_flow, per_user=per_user, total=50
        )
        result_of(self.notifier.open())
        self.ended: list[Subscription] = []
        self.number = 0

    def ask(
        self,
        *,
        tag: str = "",
        expires: int | None = None,
        supported: tuple[str, ...] = MODERN,
        call_id: str = "c1",
        flow: FlowName = FLOW,
        once: bool = False,
        number: int = 0,
        arrival: Arrival | None = None,
    ) -> tuple[Subscription | None, Response]:
        arrival = arrival or self.subscribe(
            tag=tag, expires=expires, supported=supported, call_id=call_id, flow=flow, number=number
        )
        return self.notifier.accept(
            arrival, "presence", SubscriptionTerms(3600, 60, 7200, once), DOCUMENT, on_end=self.ended.append
        )

    def subscribe(
        self,
        *,
        tag: str = "",
        expires: int | None = None,
        supported: tuple[str, ...] = MODERN,
        call_id: str = "c1",
        flow: FlowName = FLOW,
        number: int = 0,
    ) -> Arrival:
        self.number = number or self.number + 1
        headers = [
            ("Via", "SIP/2.0/TLS 127.0.0.1:1;branch=z9hG4bK1"),
            ("From", f"<{ALICE}>;tag=a1;epid=e1"),
            ("To", f"<{ALICE}>" + (f";tag={tag}" if tag else "")),
            ("CSeq", f"{self.number} SUBSCRIBE"),
            ("Call-ID", call_id),
            ("Event", "presence"),
            ("Contact", f"<{ALICE};opaque=user:epid:AAAA;gruu>"),
            *(("Supported", word) for word in supported),
        ]
        if expires is not None:
            headers.append(("Expires", str(expires)))
        arrival = Arrival(Request("SUBSCRIBE", ALICE, Headers(headers)), flow, "127.0.0.1", self.clock.seconds())
        arrival.who = Identity(ALICE, Epid("e1"), "NTLM")
        return arrival

    @property
    def told(self) -> list[Request]:
        return [request for _, request in self.outbound.told]

    def hear(self, fact: Any) -> None:
        self.bus.tell(fact)
        for _ in range(3):
            self.clock.advance(0)


@pytest.fixture
def scene() -> Scene:
    """Give a notifier with nothing subscribed."""
    return Scene()


def test_the_first_state_rides_in_the_answer(scene: Scene) -> None:
    """A client of Lync gets list and answer in one message."""
    subscription, response = scene.ask()
    assert subscription is not None
    assert response.status == 200
    assert response.body == b"<whole/>"
    assert response.headers.get("ms-piggyback-cseq") == "1"
    assert response.headers.get("Expires") == "3600"
    assert response.headers.get("Contact") == "<sip:sip.example.test:5061>"
    assert scene.told == []


def test_an_old_client_gets_the_first_state_after_the_answer(scene: Scene) -> None:
    """Without piggyback the state follows as a NOTIFY, which the client answers."""
    _, response = scene.ask(supported=())
    assert response.body == b""
    assert scene.outbound.calls == []
    scene.clock.advance(0)
    assert scene.outbound.calls[0].request.method == "NOTIFY"
    assert scene.outbound.calls[0].request.body == b"<whole/>"


def test_news_is_told_without_waiting_for_an_answer(scene: Scene) -> None:
    """Later states are BENOTIFYs in the dialog, numbered on."""
    subscription, response = scene.ask()
    assert subscription is not None
    scene.notifier.notify(subscription, Document("application/test+xml", b"<new/>"))
    (told,) = scene.told
    assert told.method == "BENOTIFY"
    assert told.cseq.number == 2
    assert told.from_.tag == response.to.tag
    assert told.to.epid == "e1"
    assert told.body == b"<new/>"


def test_a_refresh_keeps_the_subscription(scene: Scene) -> None:
    """A client that asks again in the dialog keeps what it has, and its time begins anew."""
    first, response = scene.ask()
    scene.clock.advance(3000)
    again, _ = scene.ask(tag=response.to.tag or "")
    assert again is first
    scene.clock.advance(3000)
    assert scene.ended == []
    assert len(scene.notifier) == 1


def test_a_lapsed_subscription_ends_once(scene: Scene) -> None:
    """Nobody is told anything after the time is up."""
    subscription, _ = scene.ask()
    assert subscription is not None
    scene.clock.advance(3601)
    assert scene.ended == [subscription]
    assert (
        scene.told[-1].headers.get(
            "subscription-state",
        )
        is not None
    )
    scene.outbound.told.clear()
    scene.notifier.notify(subscription, DOCUMENT)
    assert scene.told == []


def test_a_client_ends_its_subscription(scene: Scene) -> None:
    """Expires: 0 in the dialog is the end."""
    first, response = scene.ask()
    none, answer = scene.ask(tag=response.to.tag or "", expires=0)
    assert none is None
    assert answer.headers.get("subscription-state") == "terminated;expires=0"
    assert scene.ended == [first]
    assert len(scene.notifier) == 0


def test_a_poll_leaves_nothing_behind(scene: Scene) -> None:
    """Expires: 0 without a dialog gives the state once."""
    subscription, response = scene.ask(expires=0)
    assert subscription is None
    assert response.body == b"<whole/>"
    assert len(scene.notifier) == 0
    assert scene.ended == []


def test_a_package_that_is_asked_once_keeps_nothing(scene: Scene) -> None:
    """Provisioning answers and forgets."""
    subscription, response = scene.ask(once=True)
    assert subscription is None
    assert response.headers.get("Expires") == "0"


def test_an_unknown_dialog_is_481(scene: Scene) -> None:
    """After a restart a client learns that it has to subscribe anew."""
    with pytest.raises(Refused) as refused:
        scene.ask(tag="of-another-life")
    assert refused.value.status == 481


def test_too_brief_is_423_with_the_minimum(scene: Scene) -> None:
    """Who asks for seconds is told how long it must be at least."""
    with pytest.raises(Refused) as refused:
        scene.ask(expires=5)
    assert refused.value.status == 423
    assert ("Min-Expires", "60") in refused.value.headers


def test_a_connection_has_a_bound() -> None:
    """One client cannot fill the table."""
    scene = Scene(per_flow=2)
    scene.ask(call_id="c1")
    scene.ask(call_id="c2")
    with pytest.raises(Refused) as refused:
        scene.ask(call_id="c3")
    assert refused.value.status == 503


def test_a_user_has_a_bound() -> None:
    """Nor can all clients of one user: a setting says how much."""
    scene = Scene(per_user=2)
    scene.ask(call_id="c1")
    scene.ask(call_id="c2")
    with pytest.raises(Refused) as refused:
        scene.ask(call_id="c3")
    assert refused.value.status == 503


def test_a_client_that_mixes_up_two_of_its_dialogs_is_understood(scene: Scene) -> None:
    """A real client that adds two contacts at once goes on with one dialog's Call-ID and the other one's tag."""
    first, _ = scene.ask(call_id="c1")
    second, answer = scene.ask(call_id="c2")
    again, response = scene.ask(call_id="c1", tag=answer.to.tag or "")
    assert again is second
    assert again is not first
    assert response.call_id == "c1"
    assert response.to.tag == answer.to.tag
    with pytest.raises(Refused):
        scene.ask(call_id="of another", tag=answer.to.tag or "")


def test_two_clients_with_the_same_call_id_do_not_meet(scene: Scene) -> None:
    """Real clients that start in the same second use the same Call-IDs."""
    one, _ = scene.ask(call_id="same")
    other, _ = scene.ask(call_id="same", flow=FlowName("n/2"))
    assert one is not other
    assert len(scene.notifier) == 2


def test_a_lost_connection_ends_what_hung_on_it(scene: Scene) -> None:
    """Nothing is kept for a connection that is gone."""
    subscription, _ = scene.ask()
    scene.ask(call_id="other", flow=FlowName("n/2"))
    scene.hear(FlowClosed(FLOW, "lost"))
    assert scene.ended == [subscription]
    assert len(scene.notifier) == 1
    assert scene.notifier.subscriptions_of("presence", ALICE) != ()


def test_a_signed_out_endpoint_hears_no_more(scene: Scene) -> None:
    """Signing out ends subscriptions although the connection stays open."""
    scene.ask()
    scene.hear(EndpointGone(ALICE, Epid("e1"), FLOW, EndpointGoneReason.SIGNED_OUT, last=True))
    assert len(scene.ended) == 1
    assert len(scene.notifier) == 0


def test_a_closed_flow_that_nobody_told_of_ends_the_subscription(scene: Scene) -> None:
    """Telling a client that is gone is no error."""
    subscription, _ = scene.ask()
    assert subscription is not None
    scene.outbound.gone.add(FLOW)
    scene.notifier.notify(subscription, DOCUMENT)
    assert scene.ended == [subscription]


def test_a_client_that_refuses_a_notify_is_told_no_more(scene: Scene) -> None:
    """481 to a NOTIFY means that the client has forgotten the subscription."""
    subscription, _ = scene.ask(supported=("ms-piggyback-first-notify",))
    assert subscription is not None
    scene.notifier.notify(subscription, DOCUMENT)
    scene.outbound.calls[0].answers(481)
    assert scene.ended == [subscription]


def test_the_server_ends_a_subscription(scene: Scene) -> None:
    """The client is told, and may subscribe anew."""
    subscription, _ = scene.ask()
    assert subscription is not None
    scene.notifier.end_subscription(subscription, "moved")
    assert (scene.told[-1].headers.get("subscription-state") or "").startswith("terminated")
    assert scene.ended == [subscription]


def test_what_was_overtaken_on_its_way_through_us_is_in_order(scene: Scene) -> None:
    """The first of two SUBSCRIBEs had something to read from the disk: both are answered 200."""
    first, _ = scene.ask()
    assert first is not None
    tag = first.machine.dialog.local_tag
    earlier, later = scene.subscribe(tag=tag), scene.subscribe(tag=tag)
    assert scene.ask(arrival=later)[1].status == 200
    assert scene.ask(arrival=earlier)[1].status == 200
    assert scene.ask(tag=tag)[1].status == 200


def test_a_client_that_counts_backwards_is_out_of_order(scene: Scene) -> None:
    """A number that is less than one before it, and came behind it, is refused with 500, as RFC 3261 has it."""
    first, _ = scene.ask(number=5)
    assert first is not None
    with pytest.raises(RemoteProtocolError, match="out of order") as refused:
        scene.ask(tag=first.machine.dialog.local_tag, number=4)
    assert refused.value.status == 500


def test_a_client_that_takes_two_dialogs_for_one_counts_for_both(scene: Scene) -> None:
    """With one dialog's Call-ID, the other's tags and whichever number: it goes on in the one that the tag names."""
    scene.ask(call_id="c1", number=1)
    second, _ = scene.ask(call_id="c2", number=9)
    assert second is not None
    for number in (2, 3):
        found, response = scene.ask(call_id="c1", tag=second.machine.dialog.local_tag, number=number)
        assert (found, response.status) == (second, 200)
        assert response.headers.get("CSeq") == f"{number} SUBSCRIBE"


def test_a_subscription_of_a_lost_server_goes_on() -> None:
    """In its dialog, with higher numbers; nothing is said of it before there is something new."""
    scene = Scene()
    arrival = scene.subscribe(call_id="c9")
    terms = SubscriptionTerms(3600, 60, 7200)
    found = scene.notifier.go_on(arrival, "presence", terms, ("their-tag", 1000), scene.ended.append, "<sip:x>")
    assert scene.outbound.told == []
    scene.notifier.notify(found, DOCUMENT)
    ((_, told),) = scene.outbound.told
    assert (told.from_.tag, told.cseq.number, told.headers.get("Contact")) == ("their-tag", 1001, "<sip:x>")
    refreshed, response = scene.ask(arrival=scene.subscribe(call_id="c9", tag="their-tag", number=9))
    assert (refreshed, response.status) == (found, 200)
    scene.notifier.end_subscription(found, "another goes on with it", is_told=False)
    assert (len(scene.outbound.told), scene.ended) == (1, [found])


def test_who_has_a_subscription_is_known_to_those_who_hear_of_others(scene: Scene) -> None:
    """Of the packages that somebody asks for, from the first subscription of a user to the last."""
    shown = scene.notifier.subscribers.setdefault("presence", Interest())
    first, _ = scene.ask(call_id="c1")
    scene.ask(call_id="c2")
    assert list(shown) == [ALICE]
    assert first is not None
    scene.notifier.end_subscription(first, "enough")
    assert list(shown) == [ALICE]
    scene.bus.tell(FlowClosed(FLOW, "gone"))
    scene.clock.advance(0)
    assert list(shown) == []
