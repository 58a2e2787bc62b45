"""The alert rules and the board that come with the server are about meters that there are."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from docs.site.source import VARIES, meters

ETC: Final = Path(__file__).parents[3] / "etc"
RULES: Final = ETC / "prometheus/lyncpy.rules.yml"
BOARD: Final = ETC / "grafana/lyncpy.json"
_NAME: Final = re.compile(r"\blyncpy_[a-z0-9_]+")


@cache
def _declared() -> str:
    """Give a pattern of all names, with those that a histogram has."""
    names = [re.escape(one.name).replace(VARIES, r"[a-z_]+") for one in meters()]
    return f"(?:{'|'.join(names)})(?:_bucket|_sum|_count)?"


@pytest.mark.parametrize("file", [RULES, BOARD], ids=lambda file: file.name)
def test_every_meter_that_is_named_is_there(file: Path) -> None:
    """A renamed one would leave an alert silent for ever."""
    named = set(_NAME.findall(file.read_text("utf-8")))
    assert len(named) > 8
    assert [one for one in sorted(named) if not re.fullmatch(_declared(), one)] == []


def test_each_panel_says_what_it_shows_and_has_its_place() -> None:
    """No two have the same number, and each has a title, a unit and something to draw."""
    panels = json.loads(BOARD.read_text("utf-8"))["panels"]
    assert (
        len({one["id"] for one in panels})
        == len({(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels})
        == len(panels)
    )
    for one in panels:
        assert one["title"]
        assert one["fieldConfig"]["defaults"]["unit"]
        assert all(target["expr"] and target["legendFormat"] for target in one["targets"])
