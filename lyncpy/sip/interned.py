"""Text that many have alike, of which one copy is enough."""

import sys
from collections.abc import Callable
from typing import Final


def interning(version: tuple[int, ...]) -> Callable[[str], str]:
    """Give what makes alike text one, in a Python of this version.

    What 3.12 has interned it kept for ever, up to a late patch (CPython gh-113993): strangers could fill the memory, so
    there each keeps its own.
    """
    return _as_it_is if version[:2] == (3, 12) else sys.intern


def _as_it_is(text: str) -> str:
    return text


interned: Final = interning(sys.version_info[:3])
"""Gives the copy that all others have; it is let go when nobody has it any more."""
