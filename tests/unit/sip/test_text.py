"""What may be shown of text from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.sip.text import HARMFUL, one_line, shown


@pytest.mark.parametrize(
    "text", ["می‌خواهم", "ක්‍ෂ", "\u200fא\u200e", "👩‍💻", "a\u00a0b", "e\u0301", "\u00e9", "\u202fx", "\U000e0067"]
)
def test_what_belongs_to_spelling_stays(text: str) -> None:
    """Joiners, marks of direction, wide blanks, composed or not."""
    assert one_line(f"x{text}y") == f"x{text}y"
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\x1b[2Jb", "a[2Jb"),
        ("a\u202eb\u202c", "ab"),
        ("a\u2066b\u2069", "ab"),
        ("a\u2028b\u2029c", "a b c"),
        (" a\r\n\tb  c ", "a b c"),
        ("a\x9bb\x85c", "ab c"),
        ("\udc80a\ufffe", "a"),
    ],
)
def test_what_does_something_else_than_be_read_is_taken_out(text: str, line: str) -> None:
    """Controls, line ends, changes of direction, halves of characters."""
    assert one_line(text) == line


@given(st.text())
def test_a_line_is_one(text: str) -> None:
    """Whatever the text; and a clean line stays as it is."""
    line = one_line(text)
    assert HARMFUL.search(line) is None
    assert one_line(line) == line
    assert HARMFUL.search(shown(text)) is None
    assert len(shown(text)) <= 80
