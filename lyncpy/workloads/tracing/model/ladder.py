"""A trace as a ladder: a column for each server process and each connection, an arrow for each message, in order of time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from lyncpy.contracts.names import bare
from lyncpy.sip.plain import clean
from lyncpy.workloads.tracing.model.entry import TraceEntry, TraceEntryKind
from lyncpy.workloads.tracing.model.glance import Glance, glance

LANES_MOST: Final = 6
"""Columns; connections beyond share the last one."""

GAP: Final = 14
"""Characters from one column to the next."""


@dataclass(slots=True)
class _Lane:
    """One column."""

    number: int
    heading: str
    what: str = ""
    """Who is at the other end, as far as the messages say."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One line of the ladder."""

    entry: TraceEntry
    drawing: str
    words: str
    """The message or the change, for people."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """A trace, drawn."""

    headings: str
    legend: Sequence[str] = ()
    """What the columns are, one a line."""

    rungs: Sequence[Rung] = ()


@dataclass(slots=True)
class _Lanes:
    """The columns as they are found: servers come first."""

    servers: dict[str, _Lane] = field(default_factory=dict)
    clients: dict[str, _Lane] = field(default_factory=dict)
    shared: int = 0
    """Connections in the last column, beside its first."""

    def of(self, entry: TraceEntry) -> tuple[_Lane, _Lane]:
        """Give those of a message: of its server, and of its client."""
        return self.servers[entry.node], self.clients[entry.flow]

    @property
    def all(self) -> list[_Lane]:
        """Give each once."""
        found = {lane.number: lane for lane in (*self.servers.values(), *self.clients.values())}
        return [found[number] for number in sorted(found)]


def draw(entries: Sequence[TraceEntry]) -> Ladder:
    """Draw entries, which may be in any order, of any servers."""
    ordered = sorted(entries, key=lambda entry: entry.at)
    glances = [glance(entry.text.encode()) if entry.kind is TraceEntryKind.MESSAGE else None for entry in ordered]
    lanes = _lanes(ordered, glances)
    count = len(lanes.all)
    rungs = [_rung(entry, said, lanes, count) for entry, said in zip(ordered, glances, strict=True)]
    headings = "".join(lane.heading.ljust(GAP) for lane in lanes.all).rstrip()
    legend = [f"{lane.heading}: {lane.what}" for lane in lanes.all]
    if lanes.shared:
        legend[-1] += f", and {lanes.shared} more connections"
    return Ladder(headings, legend, rungs)


def _lanes(entries: Sequence[TraceEntry], glances: Sequence[Glance | None]) -> _Lanes:
    lanes = _Lanes()
    for node in dict.fromkeys(entry.node for entry in entries):
        # There are few servers, but what there is has to fit.
        number = min(len(lanes.servers), LANES_MOST // 2 - 1)
        lanes.servers[node] = _Lane(number, f"server{number + 1 if number else ''}", node)
    first = max((lane.number for lane in lanes.servers.values()), default=-1) + 1
    for entry, said in zip(entries, glances, strict=True):
        if said is None:
            continue
        lane = lanes.clients.get(entry.flow)
        if lane is None:
            number = first + len(set(map(id, lanes.clients.values())))
            if number >= LANES_MOST:
                lanes.clients[entry.flow] = next(one for one in lanes.clients.values() if one.number == LANES_MOST - 1)
                lanes.shared += 1
                continue
            lane = lanes.clients[entry.flow] = _Lane(number, str(number - first + 1))
            lane.what = f"{entry.client.address}:{entry.client.port}, connection {entry.flow}"
        if entry.is_inward and said.is_request and said.client and lane.what.count(",") == 1:
            lane.what = f"{bare(said.sender)} at {lane.what}, {clean(said.client)}"
    return lanes


def _rung(entry: TraceEntry, said: Glance | None, lanes: _Lanes, count: int) -> Rung:
    cells = [" "] * (GAP * (count - 1) + 1)
    for number in range(count):
        cells[number * GAP] = "│"
    if said is None:
        cells[lanes.servers[entry.node].number * GAP] = "●"
        return Rung(entry, "".join(cells), entry.text)
    server, client = lanes.of(entry)
    left, right = server.number * GAP, client.number * GAP
    for place in range(left + 1, right):
        cells[place] = "─" if cells[place] == " " else "┼"
    cells[left + 1 if entry.is_inward else right - 1] = "◄" if entry.is_inward else "►"
    label = f" {clean(said.label)[: GAP - 5]} "
    begin = right - GAP + 2
    cells[begin : begin + len(label)] = label
    return Rung(entry, "".join(cells), clean(said.line))
