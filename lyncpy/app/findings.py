"""What was looked at, told to whoever asked in a terminal."""

import sys
from collections.abc import Iterable

from lyncpy.contracts.finding import Finding


def tell(found: Iterable[Finding]) -> int:
    """Print findings, each as soon as it is there: looking may take its time.

    Returns:
        The exit status: 1 where something is bad.
    """
    status = 0
    for one in found:
        sys.stdout.write(f"{'ok ' if one.good else 'BAD'} {one.sentence}\n")
        sys.stdout.flush()
        status |= not one.good
    return status
