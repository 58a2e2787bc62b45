"""Every request gets exactly one answer."""

from collections.abc import Awaitable, Callable

import pytest
from twisted.internet.defer import CancelledError
from twisted.logger import LogLevel

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.refusal import Diagnostics, Refused, StoreUnavailable, explained
from lyncpy.contracts.workload import Route
from lyncpy.core.dispatch import Dispatch
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import SERVER, Headers, Request, Response, response_to
from tests.kit.logs import overheard
from tests.kit.owners import AddressOwners
from tests.kit.results import result_of


def _arrival(method: str = "SERVICE") -> Arrival:
    headers = [("From", "<sip:a@x>;tag=1"), ("To", "<sip:a@x>"), ("Call-ID", "c"), ("CSeq", f"1 {method}")]
    return Arrival(Request(method, "sip:a@x", Headers(headers)), FlowName("n/1"), "127.0.0.1", 0.0)


class _Gate:
    async def admit(self, arrival: Arrival) -> Arrival:
        return arrival


class _Router:
    def __init__(self, answer: Callable[[Arrival], Awaitable[Response | None]]) -> None:
        self._answer = answer

    def choose(self, arrival: Arrival) -> Route:
        return Route(arrival.request.method, self._answer)

    def choose_here(self, arrival: Arrival) -> Route:
        return self.choose(arrival)


def _served(error: Exception | None, method: str = "SERVICE") -> Response | None:
    async def answer(arrival: Arrival) -> Response:
        if error is not None:
            raise error
        return response_to(arrival.request, 200)

    return result_of(Dispatch(_Gate(), _Router(answer), AddressOwners()).serve(_arrival(method)))


def test_the_workloads_answer_is_the_answer() -> None:
    """What a workload says goes out."""
    response = _served(None)
    assert response is not None
    assert response.status == 200


@pytest.mark.parametrize(
    ("error", "status", "diagnostics"),
    [
        (Refused(480, Diagnostics(1, "User could not be reached")), 480, "1;"),
        (RemoteProtocolError("the body is not XML"), 400, "1018;"),
        (StoreUnavailable("the disk is full"), 503, "1;"),
        (KeyError("a bug"), 500, "0;"),
    ],
)
def test_an_error_becomes_the_status_that_its_kind_deserves(error: Exception, status: int, diagnostics: str) -> None:
    """The peer's fault is his 4xx, the world's a 503, ours a 500; none says anything about our insides."""
    response = _served(error)
    assert response is not None
    assert response.status == status
    text = response.headers.get("ms-diagnostics")
    assert text is not None
    assert text.startswith(diagnostics)
    assert "disk" not in text
    assert "bug" not in text


def test_a_request_that_was_given_up_is_no_bug() -> None:
    """Who waits too long for a slow store ends the request; the log shows no failure of ours."""
    with overheard() as heard:
        response = _served(CancelledError())
    assert response is not None
    assert response.status == 504
    assert [event for event in heard if event["log_level"] >= LogLevel.warn] == []


def test_an_ack_has_no_answer() -> None:
    """Nothing is sent for an ACK, whatever becomes of it."""
    assert _served(Refused(481), "ACK") is None
    assert _served(None, "ACK") is None


@pytest.mark.parametrize("reason", ["a\r\nInjected: yes", "a\x00\x1b\x7f", 'a";source="other', "a\\", "\u2028\x85"])
def test_a_reason_stays_within_its_quotes_and_its_line(reason: str) -> None:
    """What a client wrote may come back in the reason; it cannot make a header, or a parameter, of it."""
    response = explained(
        Refused(400, Diagnostics(1018, reason)).response(_arrival("MESSAGE").request), "fe1.example.com"
    )
    value = response.headers.get("ms-diagnostics") or ""
    assert not set(value) & {*map(chr, range(32)), "\x7f", "\\"}
    assert value.count('"') == 4
    assert value.endswith('";source="fe1.example.com"')


@pytest.mark.parametrize(
    "status", [400, 403, 404, 405, 406, 408, 409, 413, 415, 421, 423, 480, 481, 482, 487, 488, 489]
)
def test_every_refusal_says_why_and_who_refuses(status: int) -> None:
    """One without a reason of its own has the number that [MS-OCER] leaves to servers for what is expected to fail."""
    response = explained(Refused(status).response(_arrival().request), "fe1.example.com")
    text = response.headers.get("ms-diagnostics") or ""
    assert text == f'{61000 + status};reason="{response.phrase}";source="fe1.example.com"'


@pytest.mark.parametrize(("status", "number"), [(500, 0), (503, 1), (504, 1)])
def test_what_is_nobodys_fault_has_the_common_numbers(status: int, number: int) -> None:
    """Clients have words for these."""
    response = explained(response_to(_arrival().request, status), "fe1.example.com")
    assert (response.headers.get("ms-diagnostics") or "").startswith(f"{number};reason=")


def test_a_reason_is_said_once() -> None:
    """The reason that a workload gives is the one that is told, with its source."""
    response = explained(
        Refused(409, Diagnostics(2141, "Delegate version is out of date")).response(_arrival().request),
        "fe1.example.com",
    )
    assert response.headers.get_all("ms-diagnostics") == (
        '2141;reason="Delegate version is out of date";source="fe1.example.com"',
    )


def test_what_may_leave_the_enterprise_names_no_host() -> None:
    """ms-diagnostics-public has no source."""
    response = explained(Refused(403, Diagnostics(4004, "Not you", public=True)).response(_arrival().request), "fe1")
    assert response.headers.get("ms-diagnostics-public") == '4004;reason="Not you"'
    assert "ms-diagnostics" not in response.headers


@pytest.mark.parametrize("status", [100, 180, 200, 202, 401, 407])
def test_what_is_no_refusal_is_not_explained(status: int) -> None:
    """An answer, and a challenge."""
    response = response_to(_arrival().request, status)
    assert explained(response, "fe1") is response


def test_a_challenge_says_why_the_handshake_before_came_to_nothing() -> None:
    """With the number that clients know, and the source like any other reason."""
    said = Diagnostics(1000, "Final handshake failed, the certificate was revoked")
    response = explained(Refused(401, said).response(_arrival().request), "fe1")
    assert response.headers.get("ms-diagnostics") == f'1000;reason="{said.reason}";source="fe1"'


@pytest.mark.parametrize("status", [183, 200, 486, 503])
def test_what_an_endpoint_answered_has_our_server_and_no_reason_of_ours(status: int) -> None:
    """Only what this server says is explained by it."""
    response = Response(status, "So", Headers([("User-Agent", "UCCAPI")]))
    assert list(explained(response, "fe1").headers) == [("User-Agent", "UCCAPI"), ("Server", SERVER)]


@pytest.mark.parametrize("status", [400, 481, 500, 503])
def test_a_clients_disorder_is_not_logged_as_a_fault_of_ours(status: int) -> None:
    """A CSeq that is out of order gets 500, as RFC 3261 says, and leaves no traceback."""
    with overheard() as heard:
        response = _served(RemoteProtocolError("CSeq is out of order", status))
    assert response is not None
    assert response.status == status
    assert all(event["log_level"] is LogLevel.debug for event in heard)
