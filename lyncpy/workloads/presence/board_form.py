"""What a board is in memory and in its two records, how the one becomes the other, and whose change counts when two have made one."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from lyncpy.contracts.names import NO_EPID, Aor, Epid, NodeName
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.timers import ITimers
from lyncpy.workloads.presence.bodies.board_record import (
    is_volatile,
    read_named,
    read_volatile,
    write_record,
    write_volatile,
)
from lyncpy.workloads.presence.model.ages import carry, not_ahead
from lyncpy.workloads.presence.model.board import Board, expire, with_aggregates
from lyncpy.workloads.presence.model.levels import again
from lyncpy.workloads.presence.model.naming import BoardNames, noted, readdress
from lyncpy.workloads.presence.model.tables import Instance, InstanceKey

_STEP_LEAST_S: Final = 1.0
"""A wall clock that is set by less is one that NTP keeps right: the boards' times stay as they are."""

STEPPED_AT_ONCE: Final = 200
"""Boards whose deadlines are set anew in one turn of the reactor."""


@dataclass(frozen=True, slots=True)
class BoardState:
    """A board, with what belongs to it beside its content."""

    board: Board
    names: BoardNames = field(default_factory=BoardNames)
    last_active: float | None = None
    """When the user was last active, as the store has it (wall-clock seconds)."""

    stepped: float = 0.0
    """By how many seconds the wall clock had been set since the start, when the board's times were right."""

    homes: Mapping[Epid, NodeName] = field(default_factory=dict)
    """The node that each device publishes at."""


class ClockSteps:
    """Keeps lifetimes and the order of publications as they were when the wall clock is set.

    A board is adjusted when it is changed next. One with a deadline is looked at soon after the step,
    because its deadline was computed by the clock as it was.

    Args:
        timers: The clocks; they tell of steps.
        with_deadline: Gives the addresses whose boards have a deadline.
        due: Is called with each of these addresses, to look at the board anew.
    """

    def __init__(self, timers: ITimers, with_deadline: Callable[[], Iterable[Aor]], due: Callable[[Aor], None]) -> None:
        self._timers = timers
        self._with_deadline = with_deadline
        self._due = due
        self._waiting: deque[Aor] = deque()
        timers.on_step(self._on_step)

    def stepped(self) -> float:
        """Give the seconds by which the wall clock has been set since the start; board times are kept with it."""
        return self._timers.wall() - self._timers.steady()

    def set_by(self, stepped: float) -> float:
        """Give the seconds by which the clock was set since a board's times were right; 0 for what NTP does.

        Args:
            stepped: What `stepped` gave then.
        """
        by_s = self.stepped() - stepped
        return by_s if abs(by_s) >= _STEP_LEAST_S else 0.0

    def _on_step(self, _: float) -> None:
        idle = not self._waiting
        self._waiting.extend(self._with_deadline())
        if idle:
            self._some()

    def _some(self) -> None:
        for _ in range(min(STEPPED_AT_ONCE, len(self._waiting))):
            self._due(self._waiting.popleft())
        if self._waiting:
            self._timers.later(0.0, self._some)


class BoardForm:
    """The form of boards in the store, where each has a durable and a volatile record.

    Args:
        node: This process.
        owners: Gives the owner of an address.
        steps: Knows how the clock was set.
        timers: The clocks.
        gone: Gives the nodes that are known dead.
    """

    def __init__(
        self,
        node: NodeName,
        owners: IOwners,
        steps: ClockSteps,
        timers: ITimers,
        gone: Callable[[], Collection[NodeName]],
    ) -> None:
        self._node = node
        self._gone = gone
        self._owners = owners
        self._steps = steps
        self._timers = timers

    def record_key(self, key: Aor) -> str:
        """Give the key of a board's record: the owner of the address."""
        return self._owners.owner(key)

    def unpack(self, key: Aor, value: bytes | None, volatile: bytes | None = None) -> BoardState:
        """Read a board as it is now: with the present addresses of people, and without what has expired."""
        stepped = self._steps.stepped()
        if value is None and volatile is None:
            return BoardState(Board(key), stepped=stepped)
        board, names = (Board(key), BoardNames()) if value is None else read_named(key, value, self._owners)
        now = self._timers.wall()
        published, names = readdress(not_ahead(board, now), names.since(now), self._owners, now)
        durable = published.board
        said = read_volatile(volatile)
        joined = durable.having(
            instances={**durable.instances, **said.instances}, last_active=_later(durable.last_active, said.last_active)
        )
        board = again(expire(joined, now).board, now)
        return BoardState(board, names, durable.last_active, stepped, said.homes)

    def pack(self, value: BoardState) -> bytes:
        """Write the durable part of a board."""
        return write_record(value.board, value.names)

    def pack_volatile(self, value: BoardState) -> Callable[[], bytes] | None:
        """Give what writes the volatile part of a board; None: it has none."""
        for one in value.board.instances.values():
            if one.epid is not None and not one.is_durable:
                return partial(write_volatile, value.board, value.homes)
        return None

    def merged(self, mine: BoardState, theirs: BoardState) -> BoardState:
        """Give the board that another process has written, with what the server itself publishes on it."""
        theirs = self._living(theirs)
        here, other = self.carried(mine).board, theirs.board
        published = {key: one for key, one in other.instances.items() if not one.made}
        made = {key: one for key, one in here.instances.items() if one.made}
        absences = {member: here.absences.get(member, one) for member, one in other.absences.items()}
        board = other.having(
            instances={**made, **_same(here, published)}, private_to=here.private_to, absences=absences
        )
        return replace(theirs, board=self._settled(here, board, other.last_active))

    def with_volatile(self, mine: BoardState, volatile: bytes | None) -> BoardState:
        """Give mine with what devices publish elsewhere."""
        state = self.carried(mine)
        here = state.board
        others = {key: one for key, one in here.instances.items() if not is_volatile(one)}
        said = read_volatile(volatile)
        theirs = self._living(replace(state, board=here.having(instances=said.instances), homes=said.homes))
        board = here.having(instances={**others, **_same(here, theirs.board.instances)})
        return replace(state, board=self._settled(here, board, said.last_active), homes=theirs.homes)

    def united(self, mine: BoardState, theirs: BoardState) -> BoardState:
        """Give a board with what devices publish in this process, and say no more, where nothing newer is on it."""
        board = theirs.board
        here = {epid: home for epid, home in mine.homes.items() if home == self._node}
        published = {key: one for key, one in self.carried(mine).board.instances.items() if is_volatile(one)}
        # What was written of this process's devices is older than what it has of them; what it has not, it took off.
        others = {
            key: one
            for key, one in board.instances.items()
            if key in published or not is_volatile(one) or theirs.homes.get(one.epid or NO_EPID) != self._node
        }
        own = {
            key: one
            for key, one in published.items()
            if one.epid in here and not _is_newer(board.instances.get(key), one)
        }
        both = board.having(instances={**others, **own})
        elsewhere = {epid: home for epid, home in theirs.homes.items() if home != self._node}
        return replace(theirs, board=self._settled(board, both, mine.board.last_active), homes={**elsewhere, **here})

    def _living(self, state: BoardState) -> BoardState:
        """Give what another process has written without what was published at nodes that are known dead.

        It was taken off here when they died, and nobody would take it off again: whoever has written it had not heard of that
        yet, or this process could not write.
        """
        dead = {epid for epid, home in state.homes.items() if home in self._gone()}
        if not dead:
            return state
        left = {key: one for key, one in state.board.instances.items() if not is_volatile(one) or one.epid not in dead}
        homes = {epid: home for epid, home in state.homes.items() if epid not in dead}
        return replace(state, board=state.board.having(instances=left), homes=homes)

    def _settled(self, before: Board, after: Board, last_active: float | None) -> Board:
        """Give a board with what the server makes of it, which counts as one change."""
        active = _later(before.last_active, last_active)
        return with_aggregates(before.having(last_active=active), after, self._timers.wall()).board

    def carried(self, state: BoardState) -> BoardState:
        """Give a state with the times of the board adjusted, if the wall clock was set since they were right."""
        by_s = self._steps.set_by(state.stepped)
        if not by_s:
            return state
        return BoardState(
            carry(state.board, by_s), state.names.carried(by_s), state.last_active, state.stepped + by_s, state.homes
        )

    def noted(self, state: BoardState, board: Board) -> BoardNames:
        """Give the owners of the addresses on a changed board."""
        before = state.board
        if (
            board.containers is before.containers
            and board.subscribers is before.subscribers
            and board.delegates is before.delegates
        ):
            return state.names
        return noted(state.names, board, self._owners)


def _later(one: float | None, other: float | None) -> float | None:
    return max((at for at in (one, other) if at is not None), default=None)


def homes_after(
    homes: Mapping[Epid, NodeName], node: NodeName, by: Epid | None, gone: Epid | None
) -> Mapping[Epid, NodeName]:
    """Give the nodes that devices publish at, after a device has published at this one, or is gone."""
    if by is not None and homes.get(by) != node:
        return {**homes, by: node}
    return homes if gone is None else {epid: home for epid, home in homes.items() if epid != gone}


def _same(board: Board, instances: Mapping[InstanceKey, Instance]) -> Mapping[InstanceKey, Instance]:
    """Give publications with those that are on a board already as they are there, so that nobody takes them for new."""
    return {key: _known(board.instances.get(key), one) for key, one in instances.items()}


def _known(known: Instance | None, one: Instance) -> Instance:
    if known is None or (known.version, known.epid, known.value) != (one.version, one.epid, one.value):
        return one
    # Published again it is nothing new, but for when it ends.
    return known if known.until == one.until else known._replace(until=one.until)


def _is_newer(other: Instance | None, one: Instance) -> bool:
    return other is not None and other.version > one.version
