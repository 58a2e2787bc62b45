"""What is computed of large pools: from given costs, with results that can be worked out by hand."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench import pool_model
from bench.figures import by_name
from bench.model import FANOUT
from bench.pool_model import (
    CONNECTIONS,
    SIZES,
    Capacity,
    Costs,
    NotMeasured,
    first,
    most_users,
    of_nodes,
    of_users,
    parts,
    shares,
    showing,
)
from bench.pool_rows import NAMES
from bench.pool_targets import ACROSS, BUS, COUNTS, DATABASE, SAME
from bench.results import Results
from bench.rounds import Row

THERE = Capacity()


def rows(**changed: float) -> Mapping[tuple[str, str], Row]:
    """Give results in which everything costs 100 µs, in the database 10 and on the bus 1; across nodes twice as much."""
    found = []
    for key in ("message", "publication-0", "publication-10", "watcher", "sign-in"):
        for way, factor in ((SAME, 1.0), (ACROSS, 2.0)):
            found += [
                Row(f"pool-{key}", way, values=[100.0 * factor]),
                Row(f"pool-{key}", f"{way}, {DATABASE}", values=[10.0 * factor]),
                Row(f"pool-{key}", f"{way}, {BUS}", values=[1.0 * factor]),
                Row(f"pool-{key}", f"{way}, {COUNTS['log_bytes']}", values=[1_000.0]),
                Row(f"pool-{key}", f"{way}, {COUNTS['heard']}", values=[2.0]),
            ]
    for name in NAMES:
        found += [Row("pool-row", name, values=[10.0]), Row("pool-row", f"{name}, {DATABASE}", values=[1.0])]
    found.append(Row("pool-memory-each", "both servers", values=[changed.get("memory", 80.0)]))
    return by_name(found)


@pytest.fixture
def costs() -> Costs:
    """Those of such results."""
    return Costs.of(rows())


def test_a_person_is_shown_at_as_many_nodes_as_chance_has_it() -> None:
    """The formula gives what throwing dice does; at most at all others, and at most at one for each watcher."""
    dice = random.Random(7)
    for nodes in (2, 10, 100):
        thrown = [len({dice.randrange(nodes) for _ in range(FANOUT)} - {0}) for _ in range(2_000)]
        assert showing(nodes) == pytest.approx(sum(thrown) / len(thrown), rel=0.02)
    assert showing(1) == 0
    assert showing(10**9) == pytest.approx(FANOUT, rel=0.01)


def test_costs_are_what_was_measured(costs: Costs) -> None:
    """A node that shows somebody costs what the same publication costs more across nodes; a message crosses the bus as often as counted."""
    assert (costs.showing_node.node, costs.showing_node.database) == (100.0, 10.0)
    assert (costs.relayed.node, costs.relayed.bus) == (50.0, 0.5)
    assert costs.endpoint_bytes == 80 * 1024


def test_what_users_do_grows_with_them_and_what_nodes_do_with_their_square(costs: Costs) -> None:
    """A user costs no more than twice as much when most others are elsewhere; leases, signs and sweeps are each node's with each."""
    assert of_users(costs, 2).node < of_users(costs, 1_000).node
    without_users = [of_nodes(costs, nodes, 0, THERE).bus for nodes in (10, 100, 1_000)]
    assert without_users[1] / without_users[0] == pytest.approx(110, rel=0.01)
    assert without_users[2] / without_users[1] == pytest.approx(101, rel=0.01)
    swept = [of_nodes(costs, nodes, 1_000 * nodes, THERE).database for nodes in (100, 1_000)]
    assert swept[1] / swept[0] > 50


def test_what_ends_first_bounds_the_users(costs: Costs) -> None:
    """With as many users as are found everything is enough, with a hundredth more it is not."""
    for nodes, _ in SIZES[:2]:
        users = most_users(costs, nodes, THERE)
        assert first(shares(costs, nodes, users, THERE))[1] <= 1.0
        assert first(shares(costs, nodes, int(users * 1.01) + 10, THERE))[1] > 1.0


def test_a_split_database_has_less_to_do_and_as_many_connections(costs: Costs) -> None:
    """Each part has its users; each node works with all parts."""
    whole = shares(costs, 1_000, 10_000_000, THERE)
    needed = parts(whole, "database"), parts(whole, "bus")
    assert min(needed) > 1
    split = shares(costs, 1_000, 10_000_000, THERE, *needed)
    for what, count in zip(("database", "bus"), needed, strict=True):
        for name in pool_model.SPLITS[what]:
            assert split[name] == pytest.approx(whole[name] / count)
            assert split[name] <= 1.0
    connections = "connections of the database"
    assert split[connections] == whole[connections] == 1_000 * CONNECTIONS / THERE.database_connections


def test_it_is_printed_of_what_was_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each resource at each size, which ends first, and the splits; what is missing is named."""
    kept = tmp_path / "results.json"
    Results("tiny, pool", "2026-11-30T17:00+00:00", {"processor": "any"}, list(rows().values()), []).write(kept)
    assert pool_model.main([str(kept)]) == 0
    said = capsys.readouterr().out
    assert all(f"{nodes:,} nodes, {users:,} users" in said for nodes, users in SIZES)
    assert all(name in said for name in (*shares(Costs.of(rows()), 1, 1, THERE), "ends first", "database split into"))

    Results("tiny", "2026-11-30T17:00+00:00", {"processor": "any"}, [], []).write(kept)
    assert pool_model.main([str(kept)]) == 1
    assert "--only pool" in capsys.readouterr().err
    with pytest.raises(NotMeasured):
        Costs.of({})
