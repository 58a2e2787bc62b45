"""What is told to who traces, and that nothing is told to nobody."""

import pytest

from lyncpy.contracts.tapping import Passage, PassageKind
from lyncpy.sip.message import Headers, Request, Response
from tests.unit.wire.test_flows import GARBLED, OPTIONS, Wire


@pytest.fixture
def wire() -> Wire:
    """A wire without TLS."""
    return Wire()


@pytest.fixture
def told(wire: Wire) -> list[Passage]:
    """What is told."""
    told: list[Passage] = []
    wire.flows.tap_with(told.append)
    return told


def test_a_connection_is_told_from_its_beginning_to_its_end(wire: Wire, told: list[Passage]) -> None:
    """With both of its ends, and why it is over; keep-alives are not told."""
    client = wire.client()
    client.send(b"\r\n\r\n" + OPTIONS + GARBLED)
    client.lose()
    assert [one.kind for one in told] == [
        PassageKind.OPENED,
        PassageKind.MESSAGE,
        PassageKind.GARBLED,
        PassageKind.CLOSED,
    ]
    assert {(one.flow, one.client, one.is_inward) for one in told} == {("node/1", ("192.0.2.7", 4711), True)}
    assert told[0].server[1] > 0
    assert (told[0].words, told[-1].words) == ("TCP", "closed by the client")


def test_a_message_is_told_as_it_came(wire: Wire, told: list[Passage]) -> None:
    """Before the server writes on it from where it came."""
    wire.client().send(OPTIONS)
    assert b"received=" not in told[1].data
    assert told[1].data.split(b"\r\n")[0] == OPTIONS.split(b"\r\n")[0]


def test_what_leaves_is_told_with_its_signature(wire: Wire, told: list[Passage]) -> None:
    """As the client gets it."""
    client = wire.client()
    wire.seal = lambda flow, message: Response(200, "Signed", Headers([("Call-ID", "c")]))
    wire.flows.send(client.name, Request("NOTIFY", "sip:a@b", Headers([("Call-ID", "c")])))
    wire.turn()
    assert not told[-1].is_inward
    assert told[-1].data == client.transport.writes[-1]


def test_a_message_that_cannot_be_written_again_is_told_as_such(wire: Wire, told: list[Passage]) -> None:
    """It costs the trace one message, and the client nothing."""
    client = wire.client()
    client.send(OPTIONS.replace(b"Call-ID", b"X-\xed\xa0\x80: x\r\nCall-ID"))
    assert {one.kind for one in told[1:]} <= {PassageKind.MESSAGE, PassageKind.GARBLED}
    assert client.transport.ended == ""


def test_nobody_is_told_when_nobody_traces_any_more(wire: Wire, told: list[Passage]) -> None:
    """The wire goes on as before."""
    client = wire.client()
    told.clear()
    wire.flows.tap_with(None)
    client.send(OPTIONS)
    client.lose()
    assert told == []
    assert wire.hall.words() == ["opened", "arrived", "closed"]
