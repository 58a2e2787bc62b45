"""`lyncpy doctor clock FILE`: the clock of this machine beside those of others, and what was written down by it."""

import ctypes
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from lyncpy.app.config import Config
from lyncpy.app.store_check import clock_findings
from lyncpy.contracts.finding import Finding

_UNSYNCHRONISED: Final = 5
"""TIME_ERROR, of adjtimex(2)."""

_TIMEX_BYTES: Final = 512
"""More than struct timex has."""


def clock_story(config: Config, now: datetime) -> Iterator[Finding]:
    """Show what the clock says, and compare it."""
    zone = time.strftime("%Z %z", time.localtime(now.timestamp()))
    yield Finding(good=True, sentence=f"the clock of this machine says {now:%Y-%m-%d %H:%M:%S} UTC; its zone is {zone}")
    state = kernel_state()
    if state == _UNSYNCHRONISED:
        sentence = "no program keeps this clock right: let chrony or systemd-timesyncd follow a time server"
        yield Finding(good=False, sentence=sentence)
    elif state >= 0:
        yield Finding(good=True, sentence="a program keeps this clock right (NTP)")
    found = list(clock_findings(config, now))
    yield from found
    if not found:
        yield Finding(
            good=True,
            sentence="there is nothing to compare it with: no server of this database has run, and no directory tells its time",
        )


def kernel_state() -> int:
    """Ask the kernel whether its clock is kept right; -1 where it does not say."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return -1
