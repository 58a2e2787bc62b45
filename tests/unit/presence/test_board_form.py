"""What becomes of a board that two servers have changed."""

from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.names import Aor, Epid, NodeName
from lyncpy.core.timers import Timers
from lyncpy.workloads.presence.board_form import BoardForm, BoardState, ClockSteps
from lyncpy.workloads.presence.bodies.board_record import write_volatile
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import Expire, Instance, InstanceKey
from tests.kit.owners import AddressOwners

NOTE = InstanceKey("note", 0, 200)


def noted(until: float) -> BoardState:
    """Give a board with a note that ends then."""
    note = Instance(NOTE, 1, Expire.TIME, "note", 1_700_000_000.0, Epid("e"), until)
    return BoardState(Board(Aor("sip:alice@x"), instances={NOTE: note}))


def at(node: str, epid: str) -> BoardState:
    """Give a board with what a device says at a node."""
    key = InstanceKey("state", int(epid), 2)
    state = Instance(key, 1, Expire.ENDPOINT, "<state/>", 1_700_000_000.0, Epid(epid))
    return BoardState(Board(Aor("sip:alice@x"), instances={key: state}), homes={Epid(epid): NodeName(node)})


@pytest.mark.parametrize("gone", [(), (NodeName("n3"),)])
def test_what_was_published_at_a_dead_node_does_not_come_back(gone: tuple[NodeName, ...]) -> None:
    """Another server has written it that had not heard of it yet; what devices publish elsewhere stays."""
    timers = Timers(Clock(), lambda: 1_700_000_000.0)
    form = BoardForm(NodeName("n1"), AddressOwners(), ClockSteps(timers, list, print), timers, lambda: gone)
    mine, second, third = at("n1", "1"), at("n2", "2"), at("n3", "3")
    theirs = replace(
        second,
        board=second.board.having(instances={**second.board.instances, **third.board.instances}),
        homes={**second.homes, **third.homes},
    )
    written = write_volatile(theirs.board, theirs.homes)
    read = [form.merged(mine, theirs), form.with_volatile(mine, written)]
    left = {Epid("2")} if gone else {Epid("2"), Epid("3")}
    for state in (*read, *(form.united(mine, one) for one in read)):
        shown = {one.epid for one in state.board.instances.values() if not one.made}
        assert (shown - {Epid("1")}, state.homes.keys() - {Epid("1")}) == (left, left)


def test_what_is_published_again_ends_when_it_was_granted_last() -> None:
    """Its version and its text are what they were; what is the same in that, too, nobody takes for new."""
    timers = Timers(Clock(), lambda: 1_700_000_000.0)
    form = BoardForm(NodeName("n1"), AddressOwners(), ClockSteps(timers, list, print), timers, tuple)
    mine = replace(noted(1_700_000_060.0), stepped=timers.wall() - timers.steady())
    assert form.merged(mine, noted(1_700_003_600.0)).board.instances[NOTE].until == 1_700_003_600.0
    known = mine.board.instances[NOTE]
    assert form.merged(mine, noted(1_700_000_060.0)).board.instances[NOTE] is known
