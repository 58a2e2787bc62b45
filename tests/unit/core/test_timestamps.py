"""Times, as people type them."""

import pytest

from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.timestamps import moment, since_of

WALL = 1_780_000_000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", WALL - 90),
        ("2h", WALL - 7200),
        ("99999999w", 0.0),
        ("1970-01-02", 86400.0),
        ("1970-01-01T02:00+01:00", 3600.0),
    ],
)
def test_times_are_ages_or_days(text: str, at: float) -> None:
    """A day is one of UTC unless it says otherwise."""
    assert since_of(text, WALL) == at


@pytest.mark.parametrize("text", ["", "h", "yesterday", "-5m", "2026-13-01", "9999999999d"])
def test_other_times_are_refused(text: str) -> None:
    """In words."""
    with pytest.raises(CommandFailed, match="is no time; write 30m"):
        since_of(text, WALL)


def test_times_are_written_for_people() -> None:
    """With their zone."""
    assert moment(86400.0) == "1970-01-02T00:00:00Z"
