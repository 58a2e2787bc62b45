"""Which text a database can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.backends.text import TEXT_BOUND, is_storable, require_key, storable

ANYTHING = st.text(st.characters(exclude_categories=[]), max_size=40)


@given(ANYTHING)
def test_what_is_made_storable_is_storable(text: str) -> None:
    """Whatever comes, the result can be encoded and has no NUL; good text is left alone."""
    kept = storable(text)
    kept.encode()
    assert is_storable(kept)
    assert kept == text or not is_storable(text)


def test_long_text_is_cut() -> None:
    """A column has its bound, also when replacing makes the text longer."""
    assert len(storable("\udcff" * 5000)) == TEXT_BOUND


def test_a_key_that_is_no_text_is_refused() -> None:
    """The error names the key, cut."""
    with pytest.raises(ValueError, match="board"):
        require_key("board", "\udc80" * 500)
