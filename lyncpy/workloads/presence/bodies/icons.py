"""The presence icons, drawn for this project. Pure.

Each state is a shape before it is a colour: readers who see no colours, or twelve pixels on a bad
screen, tell them apart by what is inside of the disc. A full disc is a person who is there
for what the sign says, a ring with the same sign is one who is idle or absent; only who wants to be left
alone has corners. The colours stand out against white and against near-black alike, and every outline is drawn in
one of them, so that an icon has the same silhouette on both.
"""

import enum
from collections.abc import Mapping
from typing import Final

SMALLEST, USUAL, LARGEST = 12, 16, 64
"""Pixels of an icon's side."""


class Icon(enum.Enum):
    """The icons; the value is the icon's word in addresses, JSON and file names."""

    AVAILABLE = "available"
    AVAILABLE_IDLE = "available-idle"
    BUSY = "busy"
    BUSY_IDLE = "busy-idle"
    DO_NOT_DISTURB = "do-not-disturb"
    BE_RIGHT_BACK = "be-right-back"
    AWAY = "away"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


TITLES: Final[Mapping[Icon, str]] = {
    Icon.AVAILABLE: "Available",
    Icon.AVAILABLE_IDLE: "Available, inactive",
    Icon.BUSY: "Busy",
    Icon.BUSY_IDLE: "Busy, inactive",
    Icon.DO_NOT_DISTURB: "Do not disturb",
    Icon.BE_RIGHT_BACK: "Be right back",
    Icon.AWAY: "Away",
    Icon.OFFLINE: "Offline",
    Icon.UNKNOWN: "Presence unknown",
}
"""The text of each icon for screen readers and tooltips."""

GREEN, RED, AMBER, GREY = "#2b8a3e", "#e03131", "#c76a00", "#7a8088"

# All on a grid of 24: at the smallest size two units are one pixel, so straight edges lie on even numbers.
_TICK: Final = ("M6 12.4l4.2 4.2L18 8.4", 3.2)
_BAR: Final = ("M6 12h12", 4)
_HANDS: Final = ("M12 6v6.6l4.4 2.6", 3.6)
_ARROW: Final = ("M18 12H8M12 6.8 6.8 12l5.2 5.2", 3.4)
_CROSS: Final = ("M8 8l8 8M16 8l-8 8", 2.8)
_QUESTION: Final = ("M7.2 8.6c0-6.4 9.6-6.4 9.6-.4 0 4-4.8 3.6-4.8 7.4M12 19.8v.2", 3.2)
"""The signs inside of a disc or a ring: a path, and the width of its stroke."""

_RING: Final = 2.4
_CORNER: Final = 4


def _disc(colour: str, sign: tuple[str, float] | None = None) -> str:
    """Draw a full disc with a white sign."""
    return f'<circle cx="12" cy="12" r="12" fill="{colour}"/>' + (_stroke("#fff", *sign) if sign else "")


def _board(colour: str, sign: tuple[str, float]) -> str:
    """Draw a full square with a white sign: at the smallest size its corners tell it from a disc."""
    return f'<rect width="24" height="24" rx="{_CORNER}" fill="{colour}"/>' + _stroke("#fff", *sign)


def _ring(colour: str) -> str:
    """Draw a white disc with a ring."""
    return f'<circle cx="12" cy="12" r="{12 - _RING / 2:g}" fill="#fff" stroke="{colour}" stroke-width="{_RING}"/>'


def _stroke(colour: str, path: str, width: float) -> str:
    line = f'stroke="{colour}" stroke-width="{width:g}" stroke-linecap="round" stroke-linejoin="round"'
    return f'<path d="{path}" fill="none" {line}/>'


def _half(colour: str) -> str:
    """Draw a ring of which half is full."""
    return f'{_ring(colour)}<path d="M12 1a11 11 0 0 0 0 22z" fill="{colour}"/>'


_DRAWN: Final[Mapping[Icon, str]] = {
    Icon.AVAILABLE: _disc(GREEN, _TICK),
    Icon.AVAILABLE_IDLE: _ring(GREEN) + _stroke(GREEN, *_TICK),
    Icon.BUSY: _disc(RED),
    Icon.BUSY_IDLE: _half(RED),
    Icon.DO_NOT_DISTURB: _board(RED, _BAR),
    Icon.BE_RIGHT_BACK: _disc(AMBER, _ARROW),
    Icon.AWAY: _disc(AMBER, _HANDS),
    Icon.OFFLINE: _ring(GREY) + _stroke(GREY, *_CROSS),
    # A white disc would be no more than a question mark on a white page.
    Icon.UNKNOWN: _disc(GREY, _QUESTION),
}


def draw(icon: Icon, size: int = USUAL) -> bytes:
    """Draw an icon as an SVG document.

    Args:
        size: The side in pixels that it has where a page says nothing, SMALLEST to LARGEST.
    """
    title = TITLES[icon]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 24 24"'
        f' role="img" aria-label="{title}"><title>{title}</title>{_DRAWN[icon]}</svg>\n'
    ).encode()
