"""Lines and their words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.workloads.admin.words import QuoteOpen, joined, split, split_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("user show o'brien@example.com", ["user", "show", "o'brien@example.com"]),
        ("group show O'Brien's\\ people", ["group", "show", "O'Brien's people"]),
        ("group show 'Board of Directors'", ["group", "show", "Board of Directors"]),
        ('archive search bob --text="I don\'t" x', ["archive", "search", "bob", "--text=I don't", "x"]),
        ("a 'it'\"'\"'s' b", ["a", "it's", "b"]),
        ("a 'it'\\''s' b", ["a", "it's", "b"]),
        ("policy set 5'2\" ''", ["policy", "set", "5'2\"", ""]),
        (r"user show CONTOSO\\alice", ["user", "show", r"CONTOSO\alice"]),
        ("  ", []),
    ],
)
def test_a_quote_opens_where_a_word_begins(line: str, words: list[str]) -> None:
    """Within a word it is a letter, as in names and addresses."""
    assert split_words(line) == words


@pytest.mark.parametrize("line", ["users 'alice", 'users --name="x', "users x\\"])
def test_what_is_open_is_no_line(line: str) -> None:
    """A quote that nothing closes, or a backslash before nothing."""
    with pytest.raises(QuoteOpen):
        split_words(line)


def test_the_last_word_may_go_on() -> None:
    """What Tab completes: its text without quotes, and where it begins."""
    found = split("user show 'al")
    assert (found.words, found.start, found.text, found.is_open) == (("user", "show"), 10, "al", True)
    assert split("user ").start == 5


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=5))
def test_words_that_are_joined_are_read_as_these(words: list[str]) -> None:
    """Whatever they hold."""
    assert list(split_words(joined(words))) == words
