"""The benchmark runs: a real server and all loads, with tiny counts and no judgement on times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TINY = (
    "--rounds=1", "--endpoints=3", "--contacts=2", "--pairs=2", "--messages=4", "--publishers=2", "--watchers=2",
    "--publications=2", "--participants=3", "--said=2", "--meeting=4", "--speeches=8", "--crowd=3", "--watched=2", "--missed=4", "--subscriptions=4",
    "--limit-s=500",
)  # fmt: skip


@pytest.mark.perf
def test_the_benchmark_measures_every_load(tmp_path: Path) -> None:
    """`python -m bench` signs people in, lets them talk and watch, and prints what each cost."""
    numbers = tmp_path / "numbers.json"
    command = [sys.executable, "-m", "bench", *TINY, "--json", str(numbers)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=560)

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
