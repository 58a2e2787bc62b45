"""Which route answers which request."""

from typing import Any

import pytest

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.refusal import Refused
from lyncpy.contracts.workload import Route
from lyncpy.core.router import FORWARD, Router
from lyncpy.sip.message import Headers, Request, Response, response_to
from tests.kit.flows import NoOtherNodes
from tests.kit.results import answer_of


def _arrival(method: str, uri: str, *, event: str = "", content: str = "") -> Arrival:
    headers = [
        ("From", "<sip:alice@example.test>;tag=1"),
        ("To", f"<{uri}>"),
        ("Call-ID", "c"),
        ("CSeq", f"1 {method}"),
    ]
    headers += [("Event", event)] if event else []
    headers += [("Content-Type", content)] if content else []
    return Arrival(Request(method, uri, Headers(headers)), FlowName("n/1"), "127.0.0.1", 0.0)


def _route(method: str, **what: str) -> Route:
    async def answer(arrival: Arrival) -> Response:
        return response_to(arrival.request, 200)

    return Route(method, answer, **what)


REGISTER = _route("REGISTER")
OPTIONS = _route("OPTIONS")
PUBLISH = _route("SERVICE", content="application/msrtc-category-publish+xml")
CONTACTS = _route("SUBSCRIBE", event="vnd-microsoft-roaming-contacts")
PRESENCE = _route("SUBSCRIBE", event="presence")
FACTORY = _route("SERVICE", content="application/cccp+xml", app="app:conf:focusfactory")
OTHERS = _route(FORWARD)


@pytest.fixture
def router() -> Router:
    """Give a router with a few rows."""
    table = Router(
        ["example.test"], ["sip.example.test", "sip.example.test:5061"], NoOtherNodes.node, NoOtherNodes(), None
    )
    table.add_routes([REGISTER, OPTIONS, PUBLISH, CONTACTS, PRESENCE, FACTORY, OTHERS])
    return table


@pytest.mark.parametrize(
    ("arrival", "route"),
    [
        (_arrival("REGISTER", "sip:example.test"), REGISTER),
        (_arrival("OPTIONS", "sip:sip.example.test:5061;transport=tls"), OPTIONS),
        (_arrival("OPTIONS", "sip:bob@example.test"), OTHERS),
        (
            _arrival(
                "SERVICE", "sip:alice@example.test", content="application/msrtc-category-publish+xml; charset=utf-8"
            ),
            PUBLISH,
        ),
        (_arrival("SUBSCRIBE", "sip:alice@example.test", event="vnd-microsoft-roaming-contacts"), CONTACTS),
        (_arrival("SUBSCRIBE", "sip:sip.example.test:5061;transport=tls", event="presence;id=1"), PRESENCE),
        (_arrival("SUBSCRIBE", "sip:bob@EXAMPLE.test", event="Presence"), PRESENCE),
        (
            _arrival(
                "SERVICE", "sip:alice@example.test;gruu;opaque=app:conf:focusfactory", content="application/cccp+xml"
            ),
            FACTORY,
        ),
        (_arrival("INVITE", "sip:bob@example.test"), OTHERS),
        (_arrival("MESSAGE", "sip:alice@example.test;opaque=user:epid:AAAA;gruu"), OTHERS),
    ],
)
def test_the_most_specific_row_answers(router: Router, arrival: Arrival, route: Route) -> None:
    """Each kind of request reaches the workload that is there for it."""
    assert router.choose(arrival) is route


def test_a_request_within_a_dialog_is_forwarded_whatever_contact_it_names(router: Router) -> None:
    """A client without a GRUU gives its own address as Contact; its session knows who that is."""
    arrival = _arrival("MESSAGE", "sip:10.0.0.7:5060;transport=tls")
    arrival.request = arrival.request.edited(put=[("To", "<sip:bob@example.test>;tag=b")])
    assert router.choose(arrival) is OTHERS


@pytest.mark.parametrize(
    ("arrival", "status"),
    [
        (_arrival("INVITE", "sip:bob@elsewhere.test"), 404),
        (_arrival("INVITE", "sip:example.test"), 405),
        (_arrival("SUBSCRIBE", "sip:alice@example.test", event="message-summary"), 489),
        (_arrival("SERVICE", "sip:alice@example.test", content="text/plain"), 415),
        (
            _arrival(
                "SERVICE",
                "sip:mras@example.test;gruu;opaque=srvr:MRAS:x",
                content="application/msrtc-media-relay-auth+xml",
            ),
            404,
        ),
        (_arrival("INVITE", "sip:alice@example.test;gruu;opaque=app:conf:focus:id:7"), 404),
    ],
)
def test_what_nobody_answers_is_refused_for_what_it_is(router: Router, arrival: Arrival, status: int) -> None:
    """A client learns whether domain, method, event, type or service is unknown."""
    with pytest.raises(Refused) as refused:
        router.choose(arrival)
    assert refused.value.status == status


class _Conferences:
    """Conferences have homes, their factories have none."""

    app = "app:conf:"

    def key_of(self, uri: str) -> str:
        return "" if "factory" in uri else "key"


class _Homes:
    """The homes of several nodes."""

    is_alone = False

    async def answer(self, homed: object, key: str, answer: Any, arrival: Arrival) -> Response:
        answered: Response = await answer(arrival)
        return answered.edited(body=key.encode())


def test_what_has_a_home_is_answered_by_it() -> None:
    """Where there are several nodes; what has none is answered by whoever is asked."""
    homes: Any = _Homes()
    router = Router(["example.test"], [], NoOtherNodes.node, NoOtherNodes(), homes)
    conferences: Any = _Conferences()
    router.add_homed([conferences])
    router.add_routes([FACTORY, REGISTER, _route("INVITE", app="app:conf:focus")])
    uri = "sip:alice@example.test;gruu;opaque=app:conf:"
    asked = [
        _arrival("INVITE", f"{uri}focus:id:12345678"),
        _arrival("SERVICE", f"{uri}focusfactory", content="application/cccp+xml"),
        _arrival("REGISTER", "sip:example.test"),
    ]
    answers = [answer_of(router.choose(arrival).answer(arrival)) for arrival in asked]
    assert [answer.body for answer in answers if answer is not None] == [b"key", b"", b""]


def test_two_equal_rows_are_a_mistake() -> None:
    """Two workloads that answer the same are found when the house is built."""
    router = Router(["example.test"], [], NoOtherNodes.node, NoOtherNodes(), None)
    router.add_routes([PUBLISH])
    with pytest.raises(ValueError, match="two routes"):
        router.add_routes([PUBLISH])
