"""Values of flags, as people type them."""

import pytest

from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.flags import count_flag, time_flag


def test_a_flag_that_is_not_given_has_its_default() -> None:
    """Since ever, and a hundred rows, where the command has no other wish."""
    assert time_flag({}, "since", 1000.0) == 0.0
    assert time_flag({}, "until", 1000.0, 9e9) == 9e9
    assert count_flag({}, "limit", 500) == 100
    assert count_flag({}, "past", 500, 20) == 20


def test_flags_are_read_by_their_names() -> None:
    """A time may be an age."""
    assert time_flag({"since": "90s"}, "since", 1000.0) == 910.0
    assert count_flag({"limit": "500"}, "limit", 500) == 500


@pytest.mark.parametrize("text", ["", "0", "501", "-1", "1.5", "many", "1" * 5000, "000000001" + "9" * 5000])
def test_other_numbers_are_refused(text: str) -> None:
    """In words that name the flag and its limit; however long the number is, and whatever it begins with."""
    with pytest.raises(CommandFailed, match=r"--limit takes a whole number from 1 to 500, not"):
        count_flag({"limit": text}, "limit", 500)


def test_other_times_are_refused() -> None:
    """As wherever a time is typed."""
    with pytest.raises(CommandFailed, match="is no time"):
        time_flag({"since": "yesterday"}, "since", 1000.0)
