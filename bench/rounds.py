"""Measuring in rounds: what each operation cost each server in each of them, and how the machine was meanwhile.

All servers are asked for the same within a round, one after the other, and the next round begins
with another one: what disturbs the machine for a while disturbs all of them.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from bench.machine import Busy
from bench.piece import Piece, Quiet

WARM_UP: Final = 1

TOO_BUSY: Final = 0.8
"""Of its core: a load generator that uses more may be what was slow."""


class Spends(Protocol):
    """Whatever the kernel counts processor time of."""

    def cpu_s(self) -> float:
        """Give the processor time until now, in seconds."""


@dataclass(slots=True)
class Row:
    """What one operation cost one server, round for round."""

    operation: str
    """A key of `bench.targets`."""

    site: str
    unit: str = "µs"
    values: list[float] = field(default_factory=list)
    pieces: list[float] = field(default_factory=list)
    """What a step of the fixed piece cost in the same rounds, in microseconds; empty for what is no time."""

    busy: float = 0.0
    """The largest share of its core that the load generator used."""

    @property
    def least(self) -> float:
        """The least of all rounds: what the code can do."""
        return min(self.values)

    @property
    def median(self) -> float:
        """The middle of all rounds: what the machine let it do."""
        return median(self.values)

    @property
    def in_pieces(self) -> float | None:
        """The middle of the same in steps of the fixed piece."""
        if not self.pieces:
            return None
        return median(value / piece for value, piece in zip(self.values, self.pieces, strict=True))

    def ratio_to(self, other: "Row") -> float:
        """Give the middle of what this cost in units of what the other did in the same round."""
        return median(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True))


class Rounds:
    """Keeps what was measured."""

    def __init__(self, reactor: Any, piece: Piece, say: Callable[[str], None]) -> None:  # Any: several interfaces
        """Take what tells how quiet the machine is, and where progress is said."""
        self.rows: list[Row] = []
        self.quiet: list[Quiet] = []
        self.stages: dict[str, Mapping[str, float]] = {}
        self.say: Final = say
        self.reactor: Final = reactor
        self._piece = piece

    async def breathe(self) -> float:
        """Do the fixed piece, before a round; give what a step of it cost."""
        # What was closed or written last is the last round's affair.
        await deferLater(self.reactor, 0.05)
        quiet = self._piece.done()
        self.quiet.append(quiet)
        return quiet.step_us

    async def measure(
        self, row: Row, server: Spends, piece_us: float, count: int, work: Callable[[], Awaitable[Any]]
    ) -> None:  # Any: what nobody looks at
        """Do something so often, and note the processor time of each."""
        busy = Busy()
        before = server.cpu_s()
        await work()
        row.values.append((server.cpu_s() - before) / count * 1e6)
        row.pieces.append(piece_us)
        row.busy = max(row.busy, busy.share())

    def row(self, operation: str, site: str, unit: str = "µs") -> Row:
        """Give the row of an operation of a server."""
        for row in self.rows:
            if (row.operation, row.site) == (operation, site):
                return row
        self.rows.append(Row(operation, site, unit))
        return self.rows[-1]

    def value(self, operation: str, site: str, unit: str, *values: float) -> None:
        """Note what is no processor time."""
        self.row(operation, site, unit).values.extend(values)

    def forget_warm_up(self, *rows: Row) -> None:
        """Drop the first round of each, which warmed the server up."""
        for row in rows:
            del row.values[:WARM_UP], row.pieces[:WARM_UP]


class Paced:
    """Begins things at a steady pace, whether or not the last one is done, and tells how long each took."""

    def __init__(self, reactor: Any, per_s: float) -> None:  # Any: several interfaces at once
        self.delays: list[float] = []
        self._reactor = reactor
        self._gap = 1 / per_s

    async def run(self, count: int, begin: Callable[[int], "Awaitable[Any]"]) -> None:  # Any: what nobody looks at
        """Begin so many, and wait for the last one."""
        began = time.monotonic()
        under_way = []

        async def one(number: int, due: float) -> None:
            await begin(number)
            # From when it was due: what began late because the one before was slow has waited, too.
            self.delays.append(time.monotonic() - due)

        for number in range(count):
            due = began + number * self._gap
            if (wait := due - time.monotonic()) > 0:
                await deferLater(self._reactor, wait)
            under_way.append(Deferred.fromCoroutine(one(number, due)))
        await gatherResults(under_way, consumeErrors=True)
