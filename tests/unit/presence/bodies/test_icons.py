"""The presence icons as documents; how they look in a browser is in tests/interop/test_web.py."""

import re
from itertools import combinations

import pytest
from lxml import etree

from lyncpy.workloads.presence.bodies.icons import AMBER, GREEN, GREY, LARGEST, RED, SMALLEST, TITLES, Icon, draw

NEAR_BLACK, WHITE = "#1f1f1f", "#ffffff"


def _luminance(colour: str) -> float:
    """Give the relative luminance of WCAG 2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("icon", Icon)
@pytest.mark.parametrize("size", [SMALLEST, LARGEST])
def test_an_icon_is_a_document_with_a_name_and_without_scripts(icon: Icon, size: int) -> None:
    """A screen reader says what it is, and nothing in it can run or load."""
    root = etree.fromstring(draw(icon, size))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.get("width"), root.get("height"), root.get("role")) == (str(size), str(size), "img")
    assert root.get("aria-label") == TITLES[icon]
    assert root.findtext("{http://www.w3.org/2000/svg}title") == TITLES[icon]
    assert {etree.QName(element).localname for element in root.iter()} <= {"svg", "title", "circle", "rect", "path"}
    assert not re.search(rb"\b(on\w+|href|style|url)\s*[=(]", draw(icon, size))


def test_every_state_has_a_name_and_a_drawing_of_its_own() -> None:
    """No two states look or sound alike, whatever the colours."""
    assert len(set(TITLES.values())) == len(Icon)
    plain = {icon: re.sub(rb"#[0-9a-f]{6}|<title>.*?</title>|aria-label=\"[^\"]*\"", b"", draw(icon)) for icon in Icon}
    assert all(plain[one] != plain[other] for one, other in combinations(Icon, 2))


@pytest.mark.parametrize("colour", [GREEN, RED, AMBER, GREY])
def test_colours_stand_out_from_light_and_dark_pages(colour: str) -> None:
    """Contrast is at least 3:1, as WCAG asks of what is no text."""
    assert _contrast(colour, WHITE) >= 3
    assert _contrast(colour, NEAR_BLACK) >= 3
