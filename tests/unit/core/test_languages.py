"""The language of a page, and that no text is missing in one."""

import re

import pytest

from lyncpy.core.languages import LANGUAGES, TEXTS, text, wanted


@pytest.mark.parametrize("name", TEXTS)
def test_every_language_has_every_text(name: str) -> None:
    """With the same things put in, and the same marks, in each."""
    texts = TEXTS[name]
    assert tuple(texts) == LANGUAGES
    assert all(one.strip() == one and one for one in texts.values())
    inserted = {language: sorted(re.findall(r"{(\w*)}", one)) for language, one in texts.items()}
    marks = {language: re.findall(r"</?\w+>", one) for language, one in texts.items()}
    assert all(one == inserted["en"] for one in inserted.values())
    assert all(one == marks["en"] for one in marks.values())


def test_no_text_is_left_in_another_language() -> None:
    """A text that is the same in two languages was forgotten."""
    for name, texts in TEXTS.items():
        assert len(set(texts.values())) == len(LANGUAGES), name


def test_a_text_takes_what_is_put_in() -> None:
    """As HTML."""
    assert text("fr", "meeting_of", organizer="A&amp;B") == "Réunion de A&amp;B"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("uk, ru;q=0.9, en;q=0.5", "ru"),
        ("uk, ja", "en"),
        ("en;q=0.4, es;q=0.5", "es"),
        ("*", "en"),
        ("en;q=0, *;q=0.5", "de"),
        ("fr;q=0", "en"),
        ("FR-ca ; q=1.0", "fr"),
        ("de-AT;q=0.3, de;q=0.9, en;q=0.5", "de"),
        ("fr;q=7, \x00, ;;;, es", "es"),
        ("ja," * 10_000 + "de", "en"),
    ],
)
def test_the_browser_says_which_language(header: str, language: str) -> None:
    """By weight; a variant counts as its language, and what cannot be read as nothing."""
    assert wanted(header) == language
