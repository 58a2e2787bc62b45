"""Values of flags that several commands of the shell take, as people type them."""

from collections.abc import Mapping

from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.timestamps import UNITS, since_of


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


def span_flag(flags: Mapping[str, str], name: str) -> float | None:
    """Give the seconds that a flag names, as 30m or 90d; None without the flag.

    Raises:
        CommandFailed: It names none.
    """
    if name not in flags:
        return None
    text = flags[name]
    number, unit = text[:-1], text[-1:]
    if not (number.isdecimal() and 0 < len(number) < 7 and unit in UNITS and int(number)):
        raise CommandFailed(f'--{name} takes a span of time, as 30m, 12h or 90d, not "{text[:80]}"')
    return float(int(number) * UNITS[unit])
