"""The unit that comes with the server gives it no more rights than it needs, as systemd's own examiner judges."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

UNIT: Final = Path(__file__).parents[3] / "etc/lyncpy.service"


def test_what_the_service_may_do_is_little() -> None:
    """2.5 of 10 is what a server on the open network should be below."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for lyncpy.service: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) < 2.5
    assert done.returncode == 0


def test_wrong_settings_are_not_tried_again() -> None:
    """The status is the one with which the server ends then."""
    text = UNIT.read_text("utf-8")
    assert f"RestartPreventExitStatus={os.EX_CONFIG}\n" in text
    assert "Type=notify\n" in text
    assert "WatchdogSec=" in text
