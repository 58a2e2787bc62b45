"""Each test has ports of its own."""

import subprocess
import sys
from typing import Final

from tests.kit.forks import TOP
from tests.kit.ports import PORTS, free_ports

MANY: Final = 400
"""Of two that choose so many of PORTS by chance, hardly ever none is the same: nine or ten are."""


def test_no_port_is_given_twice_here_or_to_another_process() -> None:
    """Nor is one that is out of PORTS."""
    ours = free_ports(MANY)
    again = free_ports(MANY)
    program = f"from tests.kit.ports import free_ports; print(*free_ports({MANY}))"
    theirs = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=True)
    given = [*ours, *again, *map(int, theirs.stdout.split())]
    assert len(given) == 3 * MANY == len(set(given))
    assert all(port in PORTS for port in given)
