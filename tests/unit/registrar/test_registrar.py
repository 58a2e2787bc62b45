"""Signing in, staying signed in, signing out."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.directory import Person
from lyncpy.contracts.facts import EndpointArrived, EndpointGone, FlowClosed, PersonChanged
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, FlowName, Instance, NodeName, Version, aor_of
from lyncpy.contracts.refusal import Refused
from lyncpy.contracts.workload import CommandCall, CommandFailed, Reason, Table
from lyncpy.core.timers import Timers
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.sip.shared import Recognition
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.registrar.model import CONTEST_S, EVICTIONS, TAKEOVERS
from lyncpy.workloads.registrar.service import Registrar
from lyncpy.workloads.registrar.settings import Settings
from tests.kit.flows import StillFlows
from tests.kit.hall import FewPeople
from tests.kit.holdings import held
from tests.kit.leases import FewPlaces
from tests.kit.outbound import FakeOutbound
from tests.kit.platform import platform_of, registrations_of, signaling_of
from tests.kit.results import result_of

ALICE = Aor("sip:alice@example.test")
UUID = "0e324752-e1ab-56eb-8f4a-267c85a97459"


class Scene:
    """A registrar with its table."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.bus = MemoryBus(NodeName("n"), self.clock)
        self.timers = Timers(self.clock, lambda: 0.0)
        self.registrations = registrations_of("n", self.bus, self.timers)
        self.bindings = self.registrations.own
        self.outbound = FakeOutbound()
        self.flows = StillFlows()
        people = FewPeople([Person(ALICE, "k", display_name="Alice Adler")])
        platform = platform_of(self.clock, timers=self.timers, bus=self.bus, people=people, locator=self.registrations)
        signaling = signaling_of(platform, flows=self.flows, outbound=self.outbound)
        self.places = FewPlaces()
        self.registrar = Registrar(
            platform, signaling, self.registrations, Settings(**settings), self.places, brings_together=True
        )
        result_of(self.registrar.open())
        self.facts: list[Any] = []
        self.recognitions: dict[str, Recognition] = {}
        self.bus.listen(EndpointArrived, self._keep)
        self.bus.listen(EndpointGone, self._keep)

    async def _keep(self, fact: Any) -> None:
        self.facts.append(fact)

    def turn(self) -> None:
        for _ in range(4):
            self.clock.advance(0)

    @property
    def told(self) -> list[str]:
        self.turn()
        return [f.reason.value if isinstance(f, EndpointGone) else "arrived" for f in self.facts]

    def register(
        self,
        epid: str = "abb2cb12b77f",
        flow: str = "n/1",
        *,
        expires: str | None = None,
        contact: str | None = "",
        to: str = ALICE,
        event: str = "registration",
        tag: str = "5447647476",
        call_id: str = "c",
        seen: str = "",
    ) -> Response:
        """Send a REGISTER as a real client does."""
        if contact == "":
            contact = f'<sip:127.0.0.1:46844;transport=tls;ms-opaque=d3470f2e1d>;methods="INVITE, MESSAGE";proxy=replace;+sip.instance="<urn:uuid:{UUID}>"'
        headers = [
            ("Via", f"SIP/2.0/tls 127.0.0.1:46844;branch=z9hG4bK5{seen}"),
            ("From", f"<{ALICE}>;tag={tag}" + (f";epid={epid}" if epid else "")),
            ("To", f"<{to}>"),
            ("CSeq", "3 REGISTER"),
            ("Call-ID", call_id),
            ("User-Agent", "Purple"),
            *([("Contact", contact)] if contact else []),
            ("Supported", "gruu-10, adhoclist, msrtc-event-categories, com.microsoft.msrtc.presence"),
            *([("Event", event)] if event else []),
            *([("Expires", expires)] if expires else []),
        ]
        fields = Headers(headers)
        recognition = self.recognitions.setdefault(flow, Recognition())
        shared = recognition.shared_lines("REGISTER sip:example.test SIP/2.0", fields.layout, fields.lines)
        request = Request("REGISTER", "sip:example.test", fields, shared=shared)
        arrival = Arrival(request, FlowName(flow), "127.0.0.1", 0.0)
        arrival.who = Identity(ALICE, Epid(epid), "NTLM")
        (route,) = (r for r in self.registrar.offer.routes if r.method == "REGISTER")

        async def answer() -> Response:
            response = await route.answer(arrival)
            assert response is not None
            return response

        return result_of(answer())

    def run(self, words: str, **args: str) -> Table:
        command = next(c for c in self.registrar.offer.commands if c.name == words)

        async def run() -> Table:
            return await command.run(CommandCall(args, {}))

        return result_of(run())


@pytest.fixture
def scene() -> Scene:
    """Give a registrar nobody has signed in at."""
    return Scene()


def test_the_answer_is_what_a_real_client_reads(scene: Scene) -> None:
    """Each Supported token has its line, Allow-Events no blank, and the GRUU stands beside the client's own UUID."""
    response = scene.register()
    assert response.status == 200
    assert response.headers.get("Expires") == "7200"
    assert set(response.headers.get_all("Supported")) >= {"adhoclist", "msrtc-event-categories"}
    assert " " not in (response.headers.get("Allow-Events") or " ")
    contact = response.headers.get("Contact") or ""
    assert f'+sip.instance="<urn:uuid:{UUID}>"' in contact
    assert 'gruu="sip:alice@example.test;opaque=user:epid:' in contact
    assert contact.startswith("<sip:127.0.0.1:46844;transport=tls;ms-opaque=d3470f2e1d>;expires=7200")
    assert response.headers.get("presence-state") == 'register-action="added"'
    assert response.headers.get("From") == '"Alice Adler"<sip:alice@example.test>;tag=5447647476;epid=abb2cb12b77f'
    assert response.to.tag


def test_a_refresh_says_refreshed(scene: Scene) -> None:
    """A client that heard "added" at a refresh would drop its conversations."""
    scene.register()
    scene.clock.advance(100)
    assert scene.register().headers.get("presence-state") == 'register-action="refreshed"'
    assert scene.told == ["arrived"]
    assert len(scene.bindings) == 1


SAID = f'<sip:127.0.0.1:46844;transport=tls>;proxy=replace;+sip.instance="<urn:uuid:{UUID}>"'
WISHES: list[dict[str, Any]] = [
    {"contact": SAID},
    {"contact": SAID, "expires": "900"},
    {"contact": SAID + ";expires=1800", "expires": "900"},
    {"contact": SAID.replace("46844", "46845")},
    {"contact": SAID, "epid": "ABB2CB12B77F"},
    {"contact": SAID, "epid": "abb2cb12b77fabb2cb12b77f"},
    {"contact": SAID, "epid": ""},
    {"contact": None},
    {"contact": SAID.replace(UUID, "1e324752-e1ab-56eb-8f4a-267c85a97459")},
]


def answers_to(wishes: Sequence[dict[str, Any]]) -> list[object]:
    """Give how REGISTERs that come over one connection are answered, and which endpoints there are then."""
    scene = Scene()
    found: list[object] = []
    for wish in wishes:
        try:
            answer = scene.register(**wish, seen=";received=10.0.0.1;ms-received-port=4711;ms-received-cid=1F00")
        except Refused as refusal:
            found.append((refusal.status, refusal.diagnostics))
        else:
            found.append([line for line in answer.headers.lines if not line.startswith("To:")])
    return [*found, scene.bindings.endpoints_of(ALICE)]


@pytest.mark.parametrize("second", WISHES)
@pytest.mark.parametrize("first", WISHES)
def test_a_refresh_is_answered_as_if_nothing_was_known(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Whatever a REGISTER repeats of the one before; one that has another word in its Contact repeats nothing."""
    wishes = [first, second, second]
    others = [
        {**wish, "contact": wish["contact"] and f"{wish['contact']};x={number}"} for number, wish in enumerate(wishes)
    ]
    assert answers_to(wishes) == answers_to(others)


def test_a_binding_lapses_without_a_refresh(scene: Scene) -> None:
    """A client that stops refreshing is signed out, a little later than it was told."""
    scene.register()
    scene.clock.advance(7200)
    assert len(scene.bindings) == 1
    scene.clock.advance(60)
    assert scene.told == ["arrived", "expired"]
    assert len(scene.bindings) == 0


def test_a_refreshed_binding_does_not_lapse(scene: Scene) -> None:
    """Each refresh begins the time anew."""
    scene.register()
    scene.clock.advance(7000)
    scene.register()
    scene.clock.advance(7000)
    assert len(scene.bindings) == 1


def test_a_refresh_for_less_time_lapses_earlier(scene: Scene) -> None:
    """The last word counts, whichever way."""
    scene.register(expires="7200")
    scene.register(expires="600")
    scene.clock.advance(700)
    assert len(scene.bindings) == 0


def test_signing_out_removes_the_endpoint(scene: Scene) -> None:
    """Expires: 0 ends it; the answer says so."""
    scene.register()
    response = scene.register(expires="0")
    assert response.headers.get("Expires") == "0"
    assert scene.told == ["arrived", "signed out"]
    assert scene.facts[-1].last


def test_a_star_signs_out_what_this_connection_registered(scene: Scene) -> None:
    """`Contact: *` does not touch the user's other devices."""
    scene.register()
    scene.register("other", "n/2")
    scene.register(contact="*", expires="0")
    assert [e.epid for e in scene.bindings.endpoints_of(ALICE)] == ["other"]


def test_one_device_cannot_sign_out_another(scene: Scene) -> None:
    """Expires: 0 for an endpoint of another connection changes nothing."""
    scene.register("one", "n/1")
    assert scene.register("one", "n/2", expires="0").status == 200
    assert len(scene.bindings) == 1


def test_a_device_that_comes_back_replaces_itself(scene: Scene) -> None:
    """After a crash the same device signs in over a new connection; the dead one is closed."""
    scene.register(flow="n/1")
    scene.register(flow="n/2")
    assert sorted(scene.told) == ["arrived", "arrived", "replaced"]
    assert scene.flows.closed == []
    scene.clock.advance(10)
    assert scene.flows.closed == ["n/1"]
    assert [e.flow for e in scene.bindings.endpoints_of(ALICE)] == ["n/2"]
    scene.bus.tell(FlowClosed(FlowName("n/1"), "lost"))
    scene.turn()
    assert len(scene.bindings) == 1


def test_a_lost_connection_signs_out(scene: Scene) -> None:
    """Nothing stays of a client whose connection is gone."""
    scene.register()
    scene.bus.tell(FlowClosed(FlowName("n/1"), "lost"))
    scene.turn()
    assert scene.told == ["arrived", "connection lost"]
    assert len(scene.bindings) == 0


def test_one_device_too_many_signs_out_the_oldest(scene: Scene) -> None:
    """The quota is kept, and the device that has to leave is told why."""
    scene = Scene(endpoints_per_user=2)
    for number in range(3):
        scene.register(f"e{number}", f"n/{number}")
    assert [e.epid for e in scene.bindings.endpoints_of(ALICE)] == ["e1", "e2"]
    notice = scene.outbound.to("n/0").request
    assert notice.method == "NOTIFY"
    assert notice.event == "registration-notify"
    assert notice.body == b"deregistered;event=unregistered"


def test_the_notice_is_in_the_dialog_of_the_register(scene: Scene) -> None:
    """A client that asked for the event is told where it listens: its Call-ID, its tag, and the tag of the 200."""
    answer = scene.register(tag="31", call_id="d")
    scene.run("signout", target="alice@example.test")
    notice = scene.outbound.to("n/1").request
    assert notice.call_id == "d"
    assert notice.headers.get("To") == f"<{ALICE}>;tag=31;epid=abb2cb12b77f"
    assert notice.headers.get("From") == f"<{ALICE}>;tag={answer.to.tag}"
    assert notice.cseq.number == 1
    assert notice.uri == "sip:127.0.0.1:46844;transport=tls;ms-opaque=d3470f2e1d"


def test_a_refresh_with_the_same_tag_stays_in_its_dialog(scene: Scene) -> None:
    """A client that keeps its tag hears the same tag of ours; one that takes another is in another dialog."""
    first, again, other = scene.register(tag="31"), scene.register(tag="31"), scene.register(tag="32")
    assert first.to.tag == again.to.tag != other.to.tag
    scene.run("signout", target="alice@example.test")
    notice = scene.outbound.to("n/1").request
    assert (notice.to.tag, notice.from_.tag) == ("32", other.to.tag)


def test_a_register_that_names_its_dialog_is_taken_at_its_word(scene: Scene) -> None:
    """Who writes a To tag is told in the dialog of that tag."""
    scene.register(to=f"{ALICE}>;tag=ours;x=<")
    scene.run("signout", target="alice@example.test")
    assert scene.outbound.to("n/1").request.from_.tag == "ours"


def test_who_did_not_ask_for_the_event_is_told_in_a_dialog_of_its_own(scene: Scene) -> None:
    """Without Event: registration there is no dialog, and it is told all the same."""
    scene.register(event="")
    scene.run("signout", target="alice@example.test")
    notice = scene.outbound.to("n/1").request
    assert notice.call_id != "c"
    assert notice.to.tag is None
    assert notice.from_.tag


def test_who_is_replaced_is_told_so_before_the_end(scene: Scene) -> None:
    """Two clients with one device's name: the earlier hears why it has to leave, in its own dialog, and is not cut off."""
    scene.register(flow="n/1", tag="31", call_id="d")
    scene.register(flow="n/2", tag="32", call_id="e")
    (call,) = scene.outbound.calls
    assert (call.flow, call.request.method, call.request.event) == ("n/1", "NOTIFY", "registration-notify")
    assert (call.request.call_id, call.request.to.tag) == ("d", "31")
    assert call.request.body == b"deregistered;event=unregistered"
    assert (call.request.headers.get("ms-diagnostics-public") or "").startswith('4140;reason="The same device')
    assert scene.flows.closed == []


def _fights(scene: Scene, epids: Sequence[str], *, pause_s: float) -> int:
    """Clients that come back over a new connection whenever they were told to leave; give how often one signed in."""
    flows = [""] * len(epids)
    signed_in = 0
    for round_ in range(200):
        if round_ * pause_s > 7000:  # then registrations would have to be renewed
            break
        for number, epid in enumerate(epids):
            if flows[number] in {endpoint.flow for endpoint in scene.bindings.endpoints_of(ALICE)}:
                continue
            flows[number] = f"n/{number}-{round_}"
            try:
                scene.register(epid, flows[number])
                signed_in += 1
            except Refused as refused:
                assert (refused.status, dict(refused.headers)["Retry-After"]) == (503, "30")
        scene.clock.advance(pause_s)
    return signed_in


@pytest.mark.parametrize("pause_s", [0.1, 1.0, 60.0, 299.0])
def test_two_clients_that_always_come_back_do_not_throw_each_other_out_for_ever(scene: Scene, pause_s: float) -> None:
    """They ignore what they are told: after a few times the one that is there stays, however long the other tries."""
    assert _fights(scene, ["abb2cb12b77f", "abb2cb12b77f"], pause_s=pause_s) == 1 + TAKEOVERS
    assert len(scene.bindings) == 1


def test_devices_beyond_the_quota_that_always_come_back_do_not_go_round_for_ever() -> None:
    """Three devices for two places."""
    scene = Scene(endpoints_per_user=2)
    assert _fights(scene, ["e1", "e2", "e3"], pause_s=20.0) == 2 + EVICTIONS
    assert len(scene.bindings) == 2


def test_who_holds_a_place_and_is_not_there_any_more_gives_it_up(scene: Scene) -> None:
    """The holder is asked, and the other gets in when they are gone; a contest that nobody goes on with is over."""
    for number in range(1 + TAKEOVERS):
        scene.register(flow=f"n/{number}")
    with pytest.raises(Refused, match="does not leave"):
        scene.register(flow="n/other")
    assert scene.outbound.to(f"n/{TAKEOVERS}").request.method == "OPTIONS"
    scene.register(flow=f"n/{TAKEOVERS}")  # it may renew what it has
    scene.bus.tell(FlowClosed(FlowName(f"n/{TAKEOVERS}"), "does not answer"))
    scene.turn()
    scene.register(flow="n/other")
    assert [endpoint.flow for endpoint in scene.bindings.endpoints_of(ALICE)] == ["n/other"]


def test_an_operator_hears_that_a_place_is_held() -> None:
    """What is refused, and what can be done about it."""
    scene = Scene(endpoints_per_user=2)

    def bad() -> list[str]:
        (why,) = scene.registrar.offer.reasons

        async def ask() -> Sequence[Reason]:
            return await why(ALICE)

        return [f"{reason.finding}: {reason.remedy}" for reason in result_of(ask()) if not reason.good]

    scene.register("e0")
    assert bad() == []
    _fights(scene, ["abb2cb12b77f", "abb2cb12b77f"], pause_s=1.0)
    (text,) = bad()
    assert "abb2cb12b77f too is refused" in text
    assert "signout alice@example.test/abb2cb12b77f" in text
    _fights(scene, ["e1", "e2", "e3"], pause_s=1.0)
    assert "endpoints_per_user" in bad()[-1]


def test_a_contest_ends_when_nobody_tries_any_more(scene: Scene) -> None:
    """Half an hour later the device may move as before."""
    for number in range(1 + TAKEOVERS):
        scene.register(flow=f"n/{number}")
    scene.clock.advance(CONTEST_S - 1)
    with pytest.raises(Refused):
        scene.register(flow="n/a")
    scene.clock.advance(CONTEST_S - 1)
    with pytest.raises(Refused):
        scene.register(flow="n/b")
    scene.clock.advance(CONTEST_S)
    assert scene.register(flow="n/c").status == 200


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("192.0.2.7", "sip:192.0.2.7:4711;transport=tls;ms-opaque=d3470f2e1d;ms-received-cid=2600"),
        ("2001:db8::7", "sip:[2001:db8::7]:4711;transport=tls;ms-opaque=d3470f2e1d;ms-received-cid=2600"),
    ],
)
def test_a_contact_is_replaced_where_the_client_asks_for_it(scene: Scene, address: str, uri: str) -> None:
    """`proxy=replace`: the client is known by where its connection comes from; the rest of its Contact stays."""
    seen = f";received={address};ms-received-port=4711;ms-received-cid=2600"
    answer = scene.register(seen=seen)
    assert (answer.headers.get("Contact") or "").startswith(f"<{uri}>;expires=7200;")
    (endpoint,) = scene.bindings.all_endpoints()
    assert endpoint.contact == uri
    assert scene.bindings.contact(endpoint.flow, endpoint.gruu) == uri


def test_a_contact_stays_where_the_client_does_not_ask(scene: Scene) -> None:
    """Without `proxy=replace` it is known as it wrote."""
    contact = f'<sip:alice@10.0.0.5:5061;ms-opaque=1>;+sip.instance="<urn:uuid:{UUID}>"'
    scene.register(contact=contact, seen=";received=192.0.2.7;ms-received-port=4711;ms-received-cid=2600")
    assert scene.bindings.all_endpoints()[0].contact == "sip:alice@10.0.0.5:5061;ms-opaque=1"


def test_a_contact_is_known_as_long_as_its_endpoint(scene: Scene) -> None:
    """The newest is given, on its own connection, and none after the end."""
    before = held(scene.bindings)
    scene.register(contact=f'<sip:127.0.0.1:1;ms-opaque=1>;+sip.instance="<urn:uuid:{UUID}>"')
    (endpoint,) = scene.bindings.all_endpoints()
    assert scene.bindings.contact(FlowName("n/1"), endpoint.gruu) == "sip:127.0.0.1:1;ms-opaque=1"
    assert scene.bindings.contact(FlowName("n/1"), ALICE) == "sip:127.0.0.1:1;ms-opaque=1"
    assert scene.bindings.contact(FlowName("n/2"), endpoint.gruu) is None
    scene.register(contact=f'<sip:127.0.0.1:2;ms-opaque=2>;+sip.instance="<urn:uuid:{UUID}>"')
    assert scene.bindings.contact(FlowName("n/1"), endpoint.gruu) == "sip:127.0.0.1:2;ms-opaque=2"
    scene.register(expires="0")
    assert scene.bindings.contact(FlowName("n/1"), endpoint.gruu) is None
    assert held(scene.bindings) == before


def test_a_full_server_refuses_in_words(scene: Scene) -> None:
    """Beyond the bound sign-in is refused with a status that clients show."""
    scene = Scene(endpoints_total=1)
    scene.register("one")
    with pytest.raises(Refused) as refused:
        scene.register("two", "n/2")
    assert refused.value.status == 503


def test_a_disabled_user_is_signed_out_with_the_reason(scene: Scene) -> None:
    """Disabling in the directory ends the session at once; the client shows why."""
    scene.register()
    scene.bus.tell(PersonChanged.from_person(Person(ALICE, "k", enabled=False)))
    scene.turn()
    notice = scene.outbound.to("n/1").request
    assert notice.headers.get("ms-diagnostics-public") == '4141;reason="User disabled for SIP"'
    assert notice.body == b"deregistered;event=rejected"
    assert len(scene.bindings) == 0
    scene.clock.advance(10)
    assert scene.flows.closed == ["n/1"]


@pytest.mark.parametrize(
    ("what", "status", "error_id"),
    [
        ({"epid": "", "contact": "<sip:127.0.0.1:1>"}, 400, 4010),
        ({"epid": "x" * 17}, 400, 4012),
        ({"epid": "a_b"}, 400, 4010),
        ({"contact": None}, 400, 4010),
        ({"to": "sip:bob@example.test"}, 403, 4004),
        ({"event": "presence"}, 489, 4055),
    ],
)
def test_what_cannot_be_registered_is_refused_for_its_reason(
    scene: Scene, what: dict[str, Any], status: int, error_id: int
) -> None:
    """Each fault has the status and the number that clients know."""
    with pytest.raises(Refused) as refused:
        scene.register(**what)
    assert refused.value.status == status
    assert refused.value.diagnostics is not None
    assert refused.value.diagnostics.error_id == error_id


def test_categories_need_gruus(scene: Scene) -> None:
    """A client that asks for categories without GRUUs is told what it lacks."""
    with pytest.raises(Refused) as refused:
        _without_gruu(scene)
    assert refused.value.status == 421


def _without_gruu(scene: Scene) -> Response:
    headers = [("From", f"<{ALICE}>;tag=1;epid=e"), ("To", f"<{ALICE}>"), ("CSeq", "1 REGISTER"), ("Call-ID", "c")]
    headers += [("Contact", "<sip:127.0.0.1:1>"), ("Supported", "msrtc-event-categories")]
    arrival = Arrival(Request("REGISTER", "sip:example.test", Headers(headers)), FlowName("n/1"), "127.0.0.1", 0.0)
    arrival.who = Identity(ALICE, Epid("e"), "NTLM")

    async def answer() -> Response:
        response = await scene.registrar.offer.routes[0].answer(arrival)
        assert response is not None
        return response

    return result_of(answer())


def test_an_endpoint_is_found_by_its_gruu_in_any_order(scene: Scene) -> None:
    """Parameters of a GRUU come in either order; one of another device finds nothing."""
    scene.register()
    (endpoint,) = scene.bindings.all_endpoints()
    token = endpoint.gruu.split(";")[1]
    assert result_of(scene.registrations.by_uri(parse_uri(f"sip:Alice@Example.test;gruu;{token}"))) == endpoint
    assert result_of(scene.registrations.by_uri(parse_uri("sip:alice@example.test;gruu;opaque=user:epid:AAAA"))) is None
    assert result_of(scene.registrations.by_uri(parse_uri("sip:alice@example.test"))) is None


def test_an_operator_sees_and_signs_out(scene: Scene) -> None:
    """`endpoints` lists devices; `signout` ends all of a user, or one."""
    scene.register("one", "n/1")
    scene.register("two", "n/2")
    assert [row[:2] for row in scene.run("endpoints").rows] == [
        ("alice@example.test", "one"),
        ("alice@example.test", "two"),
    ]
    assert scene.run("signout", target="alice@example.test/one").rows == [("alice@example.test", "one", "127.0.0.1")]
    assert len(scene.bindings) == 1
    scene.run("signout", target="alice@example.test")
    assert len(scene.bindings) == 0
    with pytest.raises(CommandFailed, match="is not signed in"):
        scene.run("signout", target="alice@example.test")
    with pytest.raises(CommandFailed, match="nobody is known"):
        scene.run("signout", target="nobody@example.test")


def test_why_tells_where_somebody_is_signed_in(scene: Scene) -> None:
    """`why` names the devices, or that there is none."""
    (why,) = scene.registrar.offer.reasons

    async def ask() -> Any:
        return await why(aor_of("alice@example.test"))

    assert not result_of(ask())[0].good
    scene.register()
    assert "from 127.0.0.1" in result_of(ask())[0].finding


def test_a_contact_that_is_no_uri_is_refused(scene: Scene) -> None:
    """What is sent to an endpoint begins with its Contact, so that has to be one."""
    with pytest.raises(RemoteProtocolError):
        scene.register(contact="<not a uri>")


def test_signing_out_without_a_contact_names_the_epid(scene: Scene) -> None:
    """A leaving client that sends no Contact is known by its epid."""
    scene.register()
    scene.register(contact=None, expires="0")
    assert len(scene.bindings) == 0


def test_a_lifetime_may_stand_in_the_contact(scene: Scene) -> None:
    """`expires=` of the Contact wins over the header (RFC 3261 §10.2.1.1)."""
    response = scene.register(contact="<sip:127.0.0.1:1;transport=tls>;expires=600", expires="1200")
    assert response.headers.get("Expires") == "600"


def test_completion_offers_users_and_devices(scene: Scene) -> None:
    """Tab completes what can be signed out."""
    scene.register("one")
    (command,) = (c for c in scene.registrar.offer.commands if c.name == "signout")
    choices = command.args[0].choices
    assert choices is not None
    assert choices() == ["alice@example.test", "alice@example.test/one"]


def test_options_says_what_the_server_understands(scene: Scene) -> None:
    """A probe of the server itself is answered."""
    (route,) = (r for r in scene.registrar.offer.routes if r.method == "OPTIONS")
    headers = Headers(
        [("From", f"<{ALICE}>;tag=1"), ("To", "<sip:example.test>"), ("CSeq", "1 OPTIONS"), ("Call-ID", "c")]
    )
    arrival = Arrival(Request("OPTIONS", "sip:example.test", headers), FlowName("n/1"), "127.0.0.1", 0.0)

    async def answer() -> Response | None:
        return await route.answer(arrival)

    response = result_of(answer())
    assert response is not None
    assert "SUBSCRIBE" in (response.headers.get("Allow") or "")


def _elsewhere(scene: Scene, aor: Aor, *devices: str) -> None:
    """Have devices of somebody be signed in at the node "m", as another server has written it down."""
    for device in devices:
        endpoint = Endpoint(aor, Epid(device), Instance(UUID), "", "sip:x", FlowName(f"m/{device}"), "", 0.0, 9e3, "")
        known = scene.registrations.records.known.get(aor)
        mine = () if known is None else known.elsewhere
        scene.registrations.records.remember(aor, Version(1), (), (*mine, endpoint))


def _refusal(scene: Scene, *how: str) -> Refused:
    with pytest.raises(Refused) as refused:
        scene.register(*how)
    return refused.value


def test_a_device_is_sent_to_its_others_once(scene: Scene) -> None:
    """With where and for how long; the same device is served when it comes again soon, and its connection ends unless it does."""
    scene.places.addresses["m"] = "fe2.example.test:5061"
    _elsewhere(scene, ALICE, "e1", "e2")
    refused = _refusal(scene, "e3", "n/3")
    assert (refused.status, dict(refused.headers)) == (
        301,
        {"Contact": "<sip:fe2.example.test:5061;transport=tls>", "Expires": "600"},
    )
    scene.clock.advance(4)
    assert scene.flows.closed == ["n/3"]
    assert scene.register("e3", "n/4").status == 200
    # The others do not hear anything of it; one more of theirs stays where one is.
    assert scene.register("e4", "n/5").status == 200


def test_one_user_fills_no_table_of_those_who_were_sent_on(scene: Scene) -> None:
    """Beyond some devices of one user they are served; each is forgotten after a minute."""
    scene.places.addresses["m"] = "fe2.example.test:5061"
    scene.places.is_leaving = True
    statuses = [_refusal(scene, f"f{number}", f"n/{number}").status for number in range(18)]
    assert statuses == [301] * 16 + [503] * 2
    scene.clock.advance(61)
    assert _refusal(scene, "f17", "n/x").status == 301


def test_a_full_server_names_another(scene: Scene) -> None:
    """Where there is one."""
    scene = Scene(endpoints_total=1)
    scene.register("one")
    scene.places.addresses["m"] = "fe2.example.test:5061"
    assert _refusal(scene, "two", "n/2").status == 301
    assert _refusal(scene, "two", "n/2").status == 503
