"""How long tests go on that could go on for ever: `scripts/test --soak` asks for more than the usual taste."""

import os
from typing import Final

TIMES: Final = max(1, int(os.environ.get("LYNCPY_SOAK") or 1))
"""How many times as many examples, steps and rounds as usual."""

BRIEF: Final = bool(os.environ.get("LYNCPY_BRIEF"))
"""Whether each test is to run with few examples: who has the usual number elsewhere asks for it, see `.ci/run`."""


def many(usual: int) -> int:
    """Give how many examples or rounds there are: the usual number, that many times more in a soak, or a quarter."""
    return max(1, usual // 4) if BRIEF else usual * TIMES
