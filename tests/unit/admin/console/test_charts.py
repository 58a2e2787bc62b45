"""A series of numbers as a drawing."""

import pytest
from lxml import etree

from lyncpy.workloads.admin.console.charts import HEIGHT, WIDTH, Chart, Series, ceiling, chart

AT = 1_780_000_000.0


def _chart(*points: tuple[float, float]) -> Chart:
    return chart(
        "Messages", Series([(AT + at, value) for at, value in points], AT, AT + 100, 10.0), lambda one: f"{one:g}"
    )


def _paths(drawn: Chart, kind: str) -> list[str]:
    root = etree.fromstring(drawn.svg)
    return [str(one.get("d")) for one in root.iter("path") if one.get("class") == kind]


@pytest.mark.parametrize(
    ("value", "top"),
    [(0.0, 1), (0.03, 0.03), (0.7, 0.8), (1.0, 1), (1.2, 1.5), (9.0, 10), (742.0, 800), (1005.0, 1500)],
)
def test_the_top_is_a_round_number_close_above(value: float, top: float) -> None:
    """So that two charts of one kind are read alike, and little room is lost."""
    assert ceiling(value) == pytest.approx(top)


def test_a_line_goes_through_all_points() -> None:
    """From the left edge to the right one; the largest number is told, and the last."""
    drawn = _chart((0, 0), (10, 2), (20, 4), (30, 1))
    (line,) = _paths(drawn, "line")
    assert line == f"M0.0 {HEIGHT}.0L{WIDTH * 0.1:.1f} 50.0L{WIDTH * 0.2:.1f} 0.0L{WIDTH * 0.3:.1f} 75.0"
    assert (drawn.now, drawn.most) == ("1", "4")
    assert 'aria-label="Messages: now 1, at most 4 at 20:27 UTC"' in drawn.svg


def test_a_gap_is_seen() -> None:
    """A server that was not there was not idle."""
    lines = _paths(_chart((0, 1), (10, 1), (60, 1), (70, 1), (100, 1)), "line")
    assert len(lines) == 3
    # One point alone is a dot.
    assert lines[2].count("L") == 1


def test_what_is_outside_of_the_time_is_not_drawn() -> None:
    """Whatever a clock that was set has left."""
    drawn = _chart((-10, 50), (0, 1), (10, 1), (500, 70))
    assert drawn.most == "1"


def test_nothing_is_drawn_of_nothing() -> None:
    """And said so."""
    drawn = _chart()
    assert (drawn.now, drawn.most) == ("–", "–")
    assert "nothing is known yet" in drawn.svg
    assert not _paths(drawn, "line")
