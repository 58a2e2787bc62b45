"""What `scripts/run --enterprise` starts beside the servers ends with it, also where nobody can end it any more."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.kit.forks import TOP
from tests.kit.orphans import tied
from tests.kit.ports import free_ports

pytestmark = pytest.mark.interop

SCRIPT = """
top=$1; . "$top/scripts/environment"; . "$top/scripts/engines"
start_nats "$2" && read -r _
"""


def test_a_bus_ends_with_the_script_that_is_killed(tmp_path: Path) -> None:
    """`kill -9` leaves it no time to end anything."""
    (port,) = free_ports(1)
    words = tied(["bash", "-euc", SCRIPT, "bash", str(TOP), str(tmp_path)])
    environment = {**os.environ, "LYNCPY_NATS_PORT": str(port)}
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        assert "NATS" in script.stdout.readline()
        script.kill()
        # Its output is theirs, too, and ends when the last of them has ended.
        assert script.stdout.read() == ""
