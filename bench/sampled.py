"""twistd, looked at a few hundred times a second of its processor time: where is it?

`python -m bench.sampled FILE ARGUMENTS…` runs twistd with these arguments. The first SIGRTMIN begins, the next one
ends it and writes FILE: for each place in lyncpy (or "else") how often it was found there, as JSON. Unlike a
profiler it makes small functions no dearer: a call costs what it costs.
"""

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

EACH_S: Final = 0.001
"""Of processor time; the kernel's tick makes it 1 to 10 ms."""

_OURS: Final = str(Path(__file__).resolve().parent.parent / "lyncpy") + "/"

_COMMON: Final = ("sip/", "contracts/", "core/timers.py", "auth/ntlm.py", "auth/signing.py")
"""What belongs to whoever calls it."""


class Sampler:
    """Counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: Counter[str] = Counter()
        self._is_on = False

    def toggle(self, number: int, frame: FrameType | None) -> None:
        """Begin, or end and write."""
        self._is_on = not self._is_on
        signal.setitimer(signal.ITIMER_PROF, EACH_S if self._is_on else 0, EACH_S if self._is_on else 0)
        if not self._is_on:
            beside = self._path.with_suffix(".new")
            beside.write_text(json.dumps(dict(self._found)), encoding="utf-8")
            beside.replace(self._path)
            self._found.clear()

    def look(self, number: int, frame: FrameType | None) -> None:
        """Count where it is: the innermost function of ours that is a place."""
        leaf = frame
        while frame is not None and not _is_somewhere(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None:
            where = f"{frame.f_code.co_filename.removeprefix(_OURS)}:{frame.f_code.co_name}"
        elif leaf is not None:
            where = f"else:{leaf.f_code.co_name}"
        else:
            where = "else:"
        self._found[where] += 1


def _is_somewhere(path: str) -> bool:
    """Tell whether this is a place of its own, and not what every place makes use of."""
    if not path.startswith(_OURS):
        return False
    place = path.removeprefix(_OURS)
    return place == "sip/decoder.py" or not place.startswith(_COMMON)


def main() -> None:
    """Run twistd."""
    from twisted.scripts.twistd import run  # noqa: PLC0415 - it reads the arguments

    sampler = Sampler(Path(sys.argv[1]))
    signal.signal(signal.SIGPROF, sampler.look)
    signal.signal(signal.SIGRTMIN, sampler.toggle)
    sys.argv[1:] = sys.argv[2:]
    sys.argv[0] = "twistd"
    run()


if __name__ == "__main__":
    main()
