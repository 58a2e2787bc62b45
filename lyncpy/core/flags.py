"""Values of flags that several commands of the shell take, as people type them."""

from collections.abc import Mapping

from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.timestamps import since_of


def time_flag(flags: Mapping[str, str], name: str, now: float, default: float = 0.0) -> float:
    """Give the moment that a flag names, in seconds since the epoch; `default` without the flag.

    Raises:
        CommandFailed: It names none.
    """
    return since_of(flags[name], now) if name in flags else default


def count_flag(flags: Mapping[str, str], name: str, most: int, default: int = 100) -> int:
    """Give the number that a flag names, from 1 to `most`; `default` without the flag.

    Raises:
        CommandFailed: It is none of these.
    """
    text = flags.get(name, str(default))
    # More digits than any limit has are not read: Python refuses thousands of them in words of its own.
    count = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 0 < count <= most:
        raise CommandFailed(f'--{name} takes a whole number from 1 to {most}, not "{text[:80]}"')
    return count
