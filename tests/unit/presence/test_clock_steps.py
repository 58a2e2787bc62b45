"""Boards when the wall clock is set: lifetimes, and which of two is newer, stay what they were."""

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.names import Aor, Epid
from lyncpy.core.timers import Timers
from lyncpy.workloads.presence.board_form import STEPPED_AT_ONCE, ClockSteps
from lyncpy.workloads.presence.model.ages import carry, not_ahead
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import Expire, Instance, InstanceKey

NOON = 1_784_548_800.0
ALICE = Aor("sip:alice@x")


def board_of(*published: float, lasts_s: float = 600.0) -> Board:
    """Give a board with notes of these times."""
    keys = [InstanceKey("note", n, 200) for n in range(len(published))]
    notes = (
        Instance(key, 1, Expire.TIME, "note", at, Epid("e"), at + lasts_s)
        for key, at in zip(keys, published, strict=True)
    )
    return Board(ALICE, instances=dict(zip(keys, notes, strict=True)))


@pytest.mark.parametrize("by", [-3600.0, 3600.0])
def test_what_is_on_a_board_keeps_its_age_and_its_order(by: float) -> None:
    """The older stays the older, and each lives as long as before."""
    first, second = carry(board_of(NOON, NOON + 5), by).instances.values()
    assert (first.published, second.published) == (NOON + by, NOON + by + 5)
    assert first.until == NOON + by + 600


@pytest.mark.parametrize("by", [-3600.0, 3600.0, 0.4])
def test_a_board_is_taken_along_once(by: float) -> None:
    """By as much as the clock was set since the board's times were right; what NTP does is no step."""
    clock, off = Clock(), [0.0]
    steps = ClockSteps(Timers(clock, lambda: NOON + off[0] + clock.seconds()), list, print)
    off[0] = by
    assert steps.set_by(0.0) == (by if abs(by) >= 1 else 0.0)
    assert steps.set_by(steps.stepped()) == 0.0


def times(board: Board) -> list[float]:
    """Give when each thing on a board was published."""
    return [one.published for one in board.instances.values()]


def test_a_board_of_the_future_was_written_before_the_clock_was_set_back() -> None:
    """What was published last counts as of now, however long the reader runs; what is older is as much older as before."""
    read = not_ahead(board_of(NOON + 3000, NOON + 3600), NOON)
    assert times(read) == [NOON - 600, NOON]
    assert [one.until for one in read.instances.values()] == [NOON, NOON + 600]
    past = board_of(NOON - 5)
    assert not_ahead(past, NOON) is past
    assert not_ahead(Board(ALICE), NOON) == Board(ALICE)


def test_what_is_not_ahead_stays_and_stays_the_older() -> None:
    """Two servers whose clocks differ write in turn, and nothing gets older by that."""
    board = not_ahead(board_of(NOON - 1800, NOON - 5, NOON + 30, NOON + 60), NOON)
    assert times(board) == [NOON - 1800, NOON - 5, NOON - 5, NOON]


def test_many_boards_are_looked_at_in_slices() -> None:
    """A step does not hold up the server, however many boards have something that ends."""
    clock, off = Clock(), [0.0]
    timers = Timers(clock, lambda: NOON + off[0] + clock.seconds())
    looked: list[Aor] = []
    ClockSteps(timers, lambda: [Aor(f"sip:u{n}@x") for n in range(3 * STEPPED_AT_ONCE)], looked.append)
    timers.later(1, lambda: None)
    turns: list[int] = []
    clock.callLater(1, lambda: turns.append(len(looked)))
    off[0] = 3600.0
    clock.advance(1)
    assert turns[0] <= 2 * STEPPED_AT_ONCE
    assert len(looked) == 3 * STEPPED_AT_ONCE
