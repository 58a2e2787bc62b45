"""What the servers of a deployment say of themselves, gathered for the console: the answers of the shell's commands, put together."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest
from typing import Final

from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Table
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import together
from lyncpy.workloads.admin.console.charts import Series

HOUR, DAY = "hour", "day"
SPANS: Final[Mapping[str, tuple[float, float]]] = {HOUR: (3600.0, 10.0), DAY: (86_400.0, 300.0)}
"""Seconds that are looked at, and from one number to the next."""

PAGE: Final = 50
PAGES_MOST: Final = 100
"""Whoever looks for somebody further on searches."""

ROWS_AT_ONCE: Final = 100
"""Of samples that are added up in one turn."""

FRESH_S: Final = 5.0
"""For so long the first page is given again as it was."""

CONFERENCES_MOST: Final = 200
REFUSALS_MOST: Final = 200
_WORST: Final = frozenset({"loop_delay_s", "processor"})
"""Of several servers the worst counts; of all else there is the sum."""

NO_FLAGS: Final[Mapping[str, str]] = {}

NodeAnswer = tuple[str, Table | None, str]
"""A server, what it answered, and why it did not."""

AskAll = Callable[[str, Mapping[str, str]], Awaitable[Sequence[NodeAnswer]]]
"""Gives what each server answers to a command with these flags, the one that is asked first."""

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Listed:
    """Some rows of a list, each with its server, and how many there are in all."""

    rows: Sequence[Row]
    total: int
    troubles: Sequence[str]
    """Why something may be missing."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page."""

    span: str
    at: float
    conditions: Listed
    servers: Listed
    conferences: Listed
    refusals: Listed
    history: Mapping[str, Series]
    troubles: Sequence[str]


class Gathering:
    """Asks the servers.

    Args:
        ask: Runs a command at all of them.
        timers: The clock.
    """

    def __init__(self, ask: AskAll, timers: ITimers) -> None:
        self._ask = ask
        self._timers = timers
        self._kept: dict[str, tuple[float, Overview]] = {}
        """By span: when it was gathered last. However many look, the servers are asked no more often."""

    async def overview(self, span: str) -> Overview:
        """Gather the first page."""
        kept = self._kept.get(span)
        if kept is not None and self._timers.now() - kept[0] < FRESH_S:
            return kept[1]
        flags = {"day": "true"} if span == DAY else {}
        # A server that is frozen takes all its time for each of these: they take it together.
        lists = await together(
            self._listed("conditions", {"known": "true"}), self._listed("nodes"), self.conferences(), self.refusals("")
        )
        conditions, servers, conferences, refusals = lists
        history = await self._ask("history", flags)
        at = self._timers.wall()
        troubles = dict.fromkeys(trouble for one in lists for trouble in one.troubles)
        series = await Slices(self._timers, ROWS_AT_ONCE).carry_out(summed(history, span, at))
        found = Overview(span, at, _worst_first(conditions), servers, conferences, refusals, series, tuple(troubles))
        self._kept[span] = self._timers.now(), found
        return found

    async def people(self, find: str, page: int) -> Listed:
        """Gather one page of who is signed in, in the order of their addresses."""
        flags = {"limit": str(page * PAGE), **({"find": find} if find else {})}
        found = await self._listed("endpoints", flags)
        rows = nsmallest(page * PAGE, found.rows, key=lambda one: (str(one["user"]), str(one["epid"])))
        return Listed(rows[(page - 1) * PAGE :], found.total, found.troubles)

    async def conferences(self) -> Listed:
        """Gather the conferences that run, those with most people first."""
        found = await self._listed("conferences", {"limit": str(CONFERENCES_MOST)}, total="running")
        running = [one for one in found.rows if one["state"] == "running"]
        running.sort(key=lambda one: (-_number(one["people"]), str(one["id"])))
        return Listed(running[:CONFERENCES_MOST], found.total, found.troubles)

    async def refusals(self, of: str) -> Listed:
        """Gather the last refusals, the newest first."""
        flags = {"limit": str(REFUSALS_MOST), **({"of": of} if of else {})}
        found = await self._listed("refusals", flags)
        rows = sorted(found.rows, key=lambda one: str(one["at"]), reverse=True)
        return Listed(rows[:REFUSALS_MOST], len(rows), found.troubles)

    async def _listed(self, command: str, flags: Mapping[str, str] = NO_FLAGS, total: str = "rows") -> Listed:
        """Ask for rows; `total` is the count that says how many there are in all."""
        rows: list[Row] = []
        counted, troubles = 0, []
        for node, table, trouble in await self._ask(command, flags):
            if table is None:
                troubles.append(f"{node}: {trouble}" if node else trouble)
                continue
            rows += [{"server": node, **dict(zip(table.columns, row, strict=False))} for row in table.rows]
            counted += table.counts.get(total, len(table.rows))
        return Listed(rows, counted, troubles)


def summed(answers: Sequence[NodeAnswer], span: str, at: float) -> Generator[int, None, dict[str, Series]]:
    """Make one series of each number of what several servers have sampled; gives the work of each row."""
    by_time: defaultdict[str, defaultdict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _, table, _ in answers:
        if table is None:
            continue
        for row in table.rows:
            when = datetime.fromisoformat(str(row[0])).timestamp()
            for name, value in zip(table.columns[1:], row[1:], strict=True):
                by_time[name][when].append(_number(value))
            yield 1
    length_s, step_s = SPANS[span]
    return {name: Series(_points(name, times), at - length_s, at, step_s) for name, times in by_time.items()}


def _points(name: str, times: Mapping[float, Sequence[float]]) -> list[tuple[float, float]]:
    put_together = max if name in _WORST else sum
    order = sorted(times)
    # The newest number is not whole before all servers have told theirs.
    if len(order) > 1 and len(times[order[-1]]) < len(times[order[-2]]):
        order.pop()
    return [(when, float(put_together(times[when]))) for when in order]


def _worst_first(conditions: Listed) -> Listed:
    """Put errors first, and what several servers say alike into one row."""
    kept: dict[tuple[object, ...], dict[str, object]] = {}
    for one in conditions.rows:
        key = (one["severity"], one["concern"], one["condition"], one["remedy"])
        known = kept.get(key)
        if known is None:
            kept[key] = dict(one)
        else:
            known["server"] = f"{known['server']}, {one['server']}"
            known["since"] = min(str(known["since"]), str(one["since"]))
    rows = sorted(kept.values(), key=lambda one: (one["severity"] != "error", str(one["since"])))
    return Listed(rows, len(rows), conditions.troubles)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
