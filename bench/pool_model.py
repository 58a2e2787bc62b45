"""What pools of 10, 100 and 1,000 nodes need: `python -m bench.pool_model [RESULTS.json]`.

Its inputs are the costs that `scripts/bench --only pool` has measured, and what Lync's user model says of users (`bench.model`).
For each size it computes what every resource has to do, as a share of what one has: processors and memory of the nodes, processor,
log and connections of one database, processor and subscriptions of one bus. The largest share ends first.

What users do is theirs, and grows with them. What nodes do for each other (leases, signs of life, sweeps, facts that
all hear) grows by the square of the nodes. Users are spread without a plan here, as where no client is sent to the node of its friends.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.figures import Rows, by_name, number
from bench.model import CLIENTS, FANOUT, GROUP, MESSAGES, RATES
from bench.pool_rows import NODE, RECORD, RECORDS, RENEWAL, SWEPT
from bench.pool_targets import ACROSS, BUS, COUNTS, DATABASE, SAME
from bench.results import KEPT, Results

SIZES: Final = ((10, 100_000), (100, 1_000_000), (1_000, 10_000_000))
"""Nodes, of a core each, and users."""

IN_DIALOG: Final = 3 * MESSAGES + 4
"""Messages of a conversation, with typing notices, its beginning and its end."""

CONNECTIONS: Final = 4
"""Of one node to one database: it writes, it reads, what is volatile, its lease."""

SWEPT_KINDS: Final = 8
"""Kinds of records that a sweep asks for."""

WRITES_SEEN: Final = {"publication": 2.0, "sign-in": 3.0, "refresh": 1.0}
"""Records that each writes, and every other node's sweep sees."""

TOLD_TO_ALL: Final = {"sign-in": 2.0}
"""Facts of each that every node hears: that an endpoint came, and that it went."""

CONTACTS: Final = 40
PERSON_BYTES: Final = 470 + 3 * 90
"""Of each person, with the three groups that there are for each; every node knows all (docs/directory.md)."""

STRANGERS: Final = 0.5
"""Of looks at somebody's presence, those at people whose board no watcher keeps in this node's memory."""


class NotMeasured(Exception):
    """The results have not what is needed."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What there is of each resource; of processors seven tenths are used."""

    node_cores: float = 0.7
    node_bytes: float = 4 * 2**30
    database_cores: float = 0.7 * 32
    database_log_bytes_s: float = 200e6
    database_connections: float = 500
    bus_cores: float = 0.7 * 16
    bus_subscriptions: float = 20e6
    lease_s: float = 5.0
    renewals: float = 4.0
    sign_s: float = 5.0
    sweep_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one operation: microseconds of the nodes, of PostgreSQL and of NATS, and bytes of PostgreSQL's log."""

    node: float
    database: float = 0.0
    bus: float = 0.0
    log_bytes: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.node + other.node,
            self.database + other.database,
            self.bus + other.bus,
            self.log_bytes + other.log_bytes,
        )

    def times(self, factor: float) -> "Cost":
        """Give it so often."""
        return Cost(self.node * factor, self.database * factor, self.bus * factor, self.log_bytes * factor)

    def between(self, other: "Cost", share: float) -> "Cost":
        """Give what lies so far on the way to another."""
        return self.times(1 - share) + other.times(share)


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured."""

    message: Cost
    message_across: Cost
    publication: Cost
    showing_node: Cost
    """What each further node that shows a person adds to a publication."""

    watcher: Cost
    sign_in: Cost
    sign_in_across: Cost
    record: Cost
    """One that is not in memory, read alone."""

    records: Cost
    swept: Cost
    renewal: Cost
    node: Cost
    """Each further node, at a renewal."""

    relayed: Cost
    """A message from one node to another: what the bus has to do for it, and both of them."""

    endpoint_bytes: float

    @classmethod
    def of(cls, rows: Rows) -> "Costs":
        """Take them from results.

        Raises:
            NotMeasured: Something is missing.
        """
        message, across = _cost(rows, "message", SAME), _cost(rows, "message", ACROSS)
        few, few_across = _cost(rows, "publication-10", SAME), _cost(rows, "publication-10", ACROSS)
        crossing = max(1.0, _value(rows, "pool-message", f"{ACROSS}, {COUNTS['heard']}"))
        return cls(
            message=message,
            message_across=across,
            publication=_cost(rows, "publication-0", SAME),
            showing_node=_above(few_across, few),
            watcher=Cost(_value(rows, "pool-watcher", SAME)),
            sign_in=_cost(rows, "sign-in", SAME),
            sign_in_across=_cost(rows, "sign-in", ACROSS),
            record=_row_cost(rows, RECORD),
            records=_row_cost(rows, RECORDS),
            swept=_row_cost(rows, SWEPT),
            renewal=_row_cost(rows, RENEWAL),
            node=_row_cost(rows, NODE),
            relayed=_above(across, message).times(1 / crossing),
            endpoint_bytes=_value(rows, "pool-memory-each", "both servers") * 1024,
        )


def _cost(rows: Rows, key: str, way: str) -> Cost:
    return Cost(
        _value(rows, f"pool-{key}", way),
        _value(rows, f"pool-{key}", f"{way}, {DATABASE}"),
        _value(rows, f"pool-{key}", f"{way}, {BUS}"),
        _value(rows, f"pool-{key}", f"{way}, {COUNTS['log_bytes']}"),
    )


def _row_cost(rows: Rows, name: str) -> Cost:
    return Cost(_value(rows, "pool-row", name), _value(rows, "pool-row", f"{name}, {DATABASE}"))


def _above(more: Cost, less: Cost) -> Cost:
    return Cost(
        max(0.0, more.node - less.node),
        max(0.0, more.database - less.database),
        max(0.0, more.bus - less.bus),
        max(0.0, more.log_bytes - less.log_bytes),
    )


def _value(rows: Rows, operation: str, site: str) -> float:
    row = rows.get((operation, site))
    if row is None:
        raise NotMeasured(f"{operation} of {site} is not in these results: measure with scripts/bench --only pool")
    return row.median


def showing(nodes: int, watchers: int = FANOUT) -> float:
    """Give at how many other nodes somebody is shown, where each of their watchers is at any node."""
    return (nodes - 1) * (1.0 - (1.0 - 1.0 / nodes) ** watchers)


def of_users(costs: Costs, nodes: int) -> Cost:
    """Give what one user's doings cost in a second, at all nodes together."""
    away = (nodes - 1) / nodes
    message = costs.message.between(costs.message_across, away)
    sign_in = costs.sign_in.between(costs.sign_in_across, away)
    publication = costs.publication + costs.watcher.times(FANOUT) + costs.showing_node.times(showing(nodes))
    # Each board has two records. A batch is of one's contacts, whose boards are in memory where they are watched.
    look = costs.message + costs.record.times(2 * STRANGERS)
    batch = costs.message.times(CONTACTS / 10)
    group = costs.message.times(GROUP / 10) + costs.records.times(2 * STRANGERS * GROUP)
    doings = {
        "conversation": message.times(IN_DIALOG),
        "publication": publication,
        "look": look,
        "batch": batch,
        "group": group,
        "sign-in": sign_in,
        "refresh": costs.message,
    }
    total = Cost(0.0)
    for name, rate in RATES.items():
        total += doings[name].times(rate)
    return total


def of_nodes(costs: Costs, nodes: int, users: int, there: Capacity) -> Cost:
    """Give what nodes do for each other in a second, all together."""
    renewals = nodes * there.renewals / there.lease_s
    leases = (costs.renewal + costs.node.times(nodes - 1)).times(renewals)
    signs = costs.relayed.times(nodes * (nodes - 1) / there.sign_s)
    asked = costs.record.times(2 * SWEPT_KINDS * nodes / there.sweep_s)
    told = costs.relayed.times(users * (nodes - 1) * sum(RATES[name] * facts for name, facts in TOLD_TO_ALL.items()))
    seen = users * sum(RATES[name] * records for name, records in WRITES_SEEN.items())
    return leases + signs + asked + told + costs.swept.times(seen * nodes)


def shares(
    costs: Costs, nodes: int, users: int, there: Capacity, databases: int = 1, buses: int = 1
) -> Mapping[str, float]:
    """Give what part of each resource is used; above 1 there is too little of it.

    Args:
        costs: As they were measured.
        nodes: How many, of a core each.
        users: Who are signed in.
        there: What each has.
        databases: How many there are, each with a part of the users.
        buses: The same.
    """
    doings, background = of_users(costs, nodes).times(users), of_nodes(costs, nodes, users, there)
    both = doings + background
    endpoints, subscribed = users * CLIENTS / nodes, min(users, users * CLIENTS / nodes * CONTACTS)
    return {
        "processors of the nodes": both.node / 1e6 / nodes / there.node_cores,
        "memory of a node": (endpoints * costs.endpoint_bytes + users * PERSON_BYTES) / there.node_bytes,
        "processor of the database": both.database / 1e6 / there.database_cores / databases,
        "log of the database": both.log_bytes / there.database_log_bytes_s / databases,
        # A user may be anywhere: each node works with each database.
        "connections of the database": nodes * CONNECTIONS / there.database_connections,
        "processor of the bus": both.bus / 1e6 / there.bus_cores / buses,
        # Of each person whom a node shows: their board and where they are signed in, by three kinds of facts.
        "subscriptions of the bus": nodes * subscribed * 3 / there.bus_subscriptions / buses,
    }


SPLITS: Final = {
    "database": ("processor of the database", "log of the database"),
    "bus": ("processor of the bus", "subscriptions of the bus"),
}


def first(found: Mapping[str, float]) -> tuple[str, float]:
    """Give which resource ends first, and what part of it is used."""
    return max(found.items(), key=lambda one: one[1])


def parts(found: Mapping[str, float], what: str) -> int:
    """Give into how many a database or a bus has to be split."""
    return max(1, math.ceil(max(found[name] for name in SPLITS[what])))


def most_users(costs: Costs, nodes: int, there: Capacity) -> int:
    """Give how many users so many nodes have, until the first resource is used."""
    low, high = 0, 10**9
    while high - low > max(1, low // 1000):
        middle = (low + high) // 2
        low, high = (middle, high) if first(shares(costs, nodes, middle, there))[1] <= 1.0 else (low, middle)
    return low


def table(costs: Costs, there: Capacity, sizes: Sequence[tuple[int, int]] = SIZES) -> list[list[str]]:
    """Give what is used of each resource at each size, its head first, and what follows."""
    found = [shares(costs, nodes, users, there) for nodes, users in sizes]
    lines = [["used of what there is", *(f"{nodes:,} nodes, {users:,} users" for nodes, users in sizes)]]
    lines += [[name, *(number(one[name]) for one in found)] for name in found[0]]
    lines.append(["ends first", *(first(one)[0] for one in found)])
    lines.append(["users until then", *(f"{most_users(costs, nodes, there):,}" for nodes, _ in sizes)])
    lines += [[f"{what} split into", *(str(parts(one, what)) for one in found)] for what in SPLITS]
    return lines


def background_lines(costs: Costs, there: Capacity, sizes: Sequence[tuple[int, int]] = SIZES) -> list[list[str]]:
    """Give the cores that nodes use for each other, its head first: nothing of it is for users."""
    lines = [["cores for each other", *(f"{nodes:,} nodes, {users:,} users" for nodes, users in sizes)]]
    found = [of_nodes(costs, nodes, users, there) for nodes, users in sizes]
    without = [of_nodes(replace(costs, swept=Cost(0.0)), nodes, users, there) for nodes, users in sizes]
    for name in ("node", "database", "bus"):
        whose = {"node": "of the nodes", "database": f"of {DATABASE}", "bus": f"of {BUS}"}[name]
        lines.append([whose, *(number(getattr(one, name) / 1e6) for one in found)])
        lines.append([f"{whose}, without what sweeps see", *(number(getattr(one, name) / 1e6) for one in without)])
    return lines


def newest() -> Path:
    """Give the results of a pool that were kept last.

    Raises:
        NotMeasured: There are none.
    """
    kept = sorted(KEPT.glob("*-pool.json"))
    if not kept:
        raise NotMeasured("nothing is kept of a pool: scripts/bench --only pool --keep")
    return kept[-1]


def main(words: Sequence[str]) -> int:
    """Compute, and print."""
    try:
        path = Path(words[0]) if words else newest()
        costs = Costs.of(by_name(Results.read(path).rows))
    except NotMeasured as error:
        sys.stderr.write(f"{error}\n")
        return 1
    there = Capacity()
    for lines in (table(costs, there), background_lines(costs, there)):
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        for line in lines:
            cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            sys.stdout.write("  ".join([line[0].ljust(widths[0]), *cells]).rstrip() + "\n")
        sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
