"""What becomes of a board that two servers have changed."""

from dataclasses import replace

from twisted.internet.task import Clock

from lyncpy.contracts.names import Aor, Epid, NodeName
from lyncpy.core.timers import Timers
from lyncpy.workloads.presence.board_form import BoardForm, BoardState, ClockSteps
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import Expire, Instance, InstanceKey
from tests.kit.owners import AddressOwners

NOTE = InstanceKey("note", 0, 200)


def noted(until: float) -> BoardState:
    """Give a board with a note that ends then."""
    note = Instance(NOTE, 1, Expire.TIME, "note", 1_700_000_000.0, Epid("e"), until)
    return BoardState(Board(Aor("sip:alice@x"), instances={NOTE: note}))


def test_what_is_published_again_ends_when_it_was_granted_last() -> None:
    """Its version and its text are what they were; what is the same in that, too, nobody takes for new."""
    timers = Timers(Clock(), lambda: 1_700_000_000.0)
    form = BoardForm(NodeName("n1"), AddressOwners(), ClockSteps(timers, list, print), timers)
    mine = replace(noted(1_700_000_060.0), stepped=timers.wall() - timers.steady())
    assert form.merged(mine, noted(1_700_003_600.0)).board.instances[NOTE].until == 1_700_003_600.0
    known = mine.board.instances[NOTE]
    assert form.merged(mine, noted(1_700_000_060.0)).board.instances[NOTE] is known
