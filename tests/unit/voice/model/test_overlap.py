"""What patterns in order mean for each other."""

import pytest

from lyncpy.workloads.voice.model import overlap as rule
from lyncpy.workloads.voice.model.overlap import Bearing, overlap
from lyncpy.workloads.voice.model.patterns import read_pattern


@pytest.mark.parametrize(
    ("before", "pattern", "bearing", "example", "by"),
    [
        ([], r"^\d{4}$", Bearing.FREE, "", -1),
        ([r"^\d{3}$"], r"^\d{4}$", Bearing.FREE, "", -1),
        ([r"^\d{4}$"], r"^5\d{3}$", Bearing.HIDDEN, "5000", 0),
        ([r"^[0-4]\d$", r"^[5-9]\d$"], r"^\d\d$", Bearing.HIDDEN, "00", 0),
        ([r"^(\d{7})$", r"^1(\d{4})$"], r"^1\d+$", Bearing.SHARED, "10000", 1),
        ([r"1"], r"^\d{2}$", Bearing.SHARED, "01", 0),
        ([], r"1^2", Bearing.EMPTY, "", -1),
        ([], r"^1$2", Bearing.EMPTY, "", -1),
        ([], r"^/$", Bearing.EMPTY, "", -1),
        ([], r"^(1?)?.2$", Bearing.FREE, "", -1),
        ([], r"^1x2$", Bearing.FREE, "", -1),
        ([], r"^(?!1)\d$", Bearing.UNKNOWN, "", -1),
        ([r"^(?!1)\d$"], r"^\d$", Bearing.FREE, "", -1),
        pytest.param(
            [r"^(1|2|3)*[13]\d{12}$"] * 3, r"^\d*[12]\d{14}$", Bearing.UNKNOWN, "", -1, marks=pytest.mark.untraced
        ),
        ([r"^1(2|$)$"], r"^(1$|3)", Bearing.SHARED, "1", 0),
    ],
)
def test_a_pattern_is_left_what_those_before_it_leave(
    before: list[str], pattern: str, bearing: Bearing, example: str, by: int
) -> None:
    """All, a part with the shortest number that is decided before it, or nothing."""
    told = overlap([read_pattern(one) for one in before], read_pattern(pattern))
    assert (told.bearing, told.example, told.by) == (bearing, example, by)


def test_it_gives_up_after_so_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """More patterns before it are more work."""
    before, pattern = [read_pattern(r"^[0-4]\d$"), read_pattern(r"^[5-9]\d$")], read_pattern(r"^\d\d$")
    monkeypatch.setattr(rule, "WORK_MOST", 5)
    assert overlap(before, pattern).bearing is Bearing.UNKNOWN
