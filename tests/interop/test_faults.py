"""`scripts/faults`, in brief: three real servers under load, of which one is killed; nothing that was acknowledged is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.faults.kinds import FAULTS

pytestmark = pytest.mark.interop

PEOPLE = 9


def test_what_was_acknowledged_outlives_a_killed_server(tmp_path: Path) -> None:
    """Contacts, notes, conferences and the archive are as their users were told, and everybody is back."""
    words = [sys.executable, "-m", "bench.faults", "kill", "--brief", "--json", f"--people={PEOPLE}"]
    done = subprocess.run(
        [*words, f"--keep={tmp_path / 'kept'}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert (told["lost"], told["not_back"], told["chain"]) == (PEOPLE // 3, 0, "whole")
    assert told["acknowledged"] > PEOPLE
    assert not [one for one in told["violations"] if "presence" not in one["wrong"]]


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    """Before anything is started."""
    words = [sys.executable, "-m", "bench.faults", "flood"]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert all(name in done.stderr for name in FAULTS)
