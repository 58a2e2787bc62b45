"""Stored states are read once where many have the same; a long one is read each time, and remembered by nobody."""

import json

import pytest

from lyncpy.contracts.names import aor_of
from lyncpy.sip.markup import Element, read_xml
from lyncpy.workloads.presence.bodies.board_record import write_record
from lyncpy.workloads.presence.bodies.published_values import REMEMBERED_BYTES
from lyncpy.workloads.presence.model.board import Board
from tests.kit.boards import read_record
from tests.kit.presence import state

ALICE = aor_of("alice@example.com")


def record(value: str) -> bytes:
    """A stored board with one state that says this."""
    whole = json.loads(write_record(Board(ALICE)))
    stored = {
        "key": ["state", 1, 2],
        "version": 1,
        "expire": "static",
        "value": value,
        "published": 1.0,
        "epid": "01",
        "until": None,
    }
    return json.dumps({**whole, "publications": [stored]}).encode()


@pytest.mark.parametrize(("length", "times"), [(1, 1), (REMEMBERED_BYTES + 1, 3)])
def test_a_state_is_read_once_unless_it_is_long(monkeypatch: pytest.MonkeyPatch, length: int, times: int) -> None:
    """A user may publish many kilobytes, and what is remembered is everybody's."""
    read: list[bytes] = []

    def counted(data: bytes) -> Element:
        read.append(data)
        return read_xml(data)

    monkeypatch.setattr("lyncpy.workloads.presence.bodies.board_record.read_xml", counted)
    value = state("userState", 3500, manual=True) + " " * length
    for _ in range(3):
        (one,) = read_record(ALICE, record(value)).instances.values()
        assert one.state is not None
        assert one.state.availability == 3500
    assert len(read) == times
