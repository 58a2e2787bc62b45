"""How long tests go on that could go on for ever: `scripts/test --soak` asks for more than the usual taste."""

import os
from typing import Final

TIMES: Final = max(1, int(os.environ.get("LYNCPY_SOAK") or 1))
"""How many times as many examples, steps and rounds as usual."""


def many(usual: int) -> int:
    """Give how many examples or rounds there are: the usual number, or that many times more in a soak."""
    return usual * TIMES
