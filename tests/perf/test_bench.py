"""The benchmark runs: a real server and all loads, with tiny counts and no judgement on times."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.figures import by_name
from bench.machine import UNPINNED
from bench.pages import drawings
from bench.pool_table import pool_tables
from bench.pool_targets import ACROSS, COUNTS, OPERATIONS
from bench.results import Results
from bench.targets import LATENCIES, SCHEMES, TARGETS
from tests.kit.kdc import kerberos_lacks
from tests.kit.slapd import SLAPD

pytestmark = pytest.mark.perf

PUBLISHED_MOST = 2.0
"""Messages for each of four publications, with signs of life that come meanwhile."""

TINY = (
    "--rounds=1", "--endpoints=3", "--contacts=2", "--pairs=2", "--messages=4", "--publishers=2", "--watchers=2",
    "--publications=2", "--participants=3", "--said=2", "--meeting=4", "--speeches=8", "--crowd=3", "--watched=2", "--missed=4", "--subscriptions=4", "--searched=300",
    "--limit-s=500",
)  # fmt: skip


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, UNPINNED: "1"}
    return subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, timeout=560
    )


def test_the_benchmark_measures_every_load(tmp_path: Path) -> None:
    """`python -m bench` signs people in, lets them talk and watch, and prints what each cost."""
    numbers = tmp_path / "numbers.json"
    command = [sys.executable, "-m", "bench", *TINY, "--json", str(numbers)]
    done = _run(command)

    assert done.returncode == 0, done.stderr
    assert "sign-in, whole" in done.stdout
    costs = {cost["name"]: cost["values"] for cost in json.loads(numbers.read_text())}
    assert {"MESSAGE with its 200, 2 at a time", "notification", "memory of a signed-in endpoint"} <= costs.keys()
    assert {"conference message, each copy of 2", "answer to such a copy, 2 together"} <= costs.keys()
    assert {"memory of a participant, meeting of 4", "until all are told that 1 did not get it"} <= costs.keys()
    assert {
        "notification to 3 watchers, publication included",
        "memory of a subscription that was told",
    } <= costs.keys()
    assert costs["notifications of a burst, to each watcher"][0] > 0
    each_message = {"from MESSAGE to the last copy, 3 people", "the same while 1 of them hang, others"}
    assert all(len(values) == (8 if name in each_message else 1) for name, values in costs.items())


def test_the_store_is_measured_on_both_databases() -> None:
    """`python -m bench.store` prints a line for each operation, alone and with others."""
    done = _run([sys.executable, "-m", "bench.store", "--rounds=1", "--times=10"])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 9
    assert all(float(one.split()[-6]) > 0 for one in lines[1:])


def test_every_line_of_the_table_has_a_load(tmp_path: Path) -> None:
    """`scripts/bench` measures all that has a target, and latency beside every load, and keeps each round."""
    kept = tmp_path / "results.json"
    command = [sys.executable, "-m", "bench.run", "--tiny", "--alone", "--results", str(kept)]
    done = _run(command)

    assert done.returncode == 0, done.stderr
    results = Results.read(kept)
    rows = by_name(results.rows)
    # What has a number in its name has other numbers here, where there are fewer of everybody.
    named = {operation for operation, _ in rows} | {f"{operation.rpartition('-')[0]}-" for operation, _ in rows}
    assert {re.sub(r"(?<=-)\d+$", "", target.operation) for target in TARGETS} <= named
    beside = {key for key, _ in LATENCIES if SLAPD.exists() or key != "pull"}
    assert {f"latency-{key}" for key in beside if shutil.which("ssh") or key not in ("pull", "verify")} <= named
    assert sum(results.stages["message"].values()) > 0
    assert set(drawings(results, rows)) == {"stages", "growth", "latency"}
    schemes = {key for key, _ in SCHEMES if key != "kerberos" or not kerberos_lacks()}
    assert {f"scheme-{key}" for key in schemes} <= named


def test_a_pool_is_measured_beside_one_server(tmp_path: Path) -> None:
    """`scripts/bench --only pool` gives each operation in both ways, what is said for it, throughput and memory."""
    kept = tmp_path / "results.json"
    done = _run([sys.executable, "-m", "bench.run", "--tiny", "--only", "pool", "--results", str(kept)])

    assert done.returncode == 0, done.stderr
    rows = by_name(Results.read(kept).rows)
    costs, counts, throughput, memory = pool_tables(rows)
    assert {line[0] for line in counts[1:]} <= {line[0] for line in costs[1:]} <= {name for _, name in OPERATIONS}
    # How much it is, is no affair of a test: of so few rounds a difference may come out as nothing.
    for table in (costs, throughput, memory):
        assert [float(line[1].replace(",", "")) for line in table[1:]]
    # A publication is one message: each node that shows the person has it once.
    assert rows["pool-publication-1", f"{ACROSS}, {COUNTS['heard']}"].median <= PUBLISHED_MOST
