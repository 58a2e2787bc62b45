"""Times, as people type them in the shell and read them there."""

from datetime import UTC, datetime
from typing import Final

from lyncpy.contracts.workload import CommandFailed

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def since_of(text: str, now: float) -> float:
    """Give the moment that a person means: so long ago, or a day (UTC).

    Raises:
        CommandFailed: It is neither.
    """
    number, unit = text[:-1], text[-1:]
    if number.isdecimal() and len(number) < 9 and unit in UNITS:
        return max(now - int(number) * UNITS[unit], 0.0)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f'"{text[:80]}" is no time; write 30m, 2h, 7d or 2026-05-31') from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def moment(at: float) -> str:
    """Write a time for an operator and for programs, to the second: RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
