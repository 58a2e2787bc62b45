"""Words as the address book compares them."""

import pytest

from lyncpy.workloads.directory.model.words import folded, nationals_of, numbers_of, typed_number, typed_words, words_of


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Alice ADLER", "alice adler"),
        ("Müller", "muller"),
        ("Mu\u0308ller", "muller"),
        ("STRASSE Straße", "strasse strasse"),
        ("Łukasz Ørsted Đoković", "lukasz orsted dokovic"),
        ("Ægir Œuvre", "aegir oeuvre"),
        ("İstanbul ısı", "istanbul isi"),
        ("Αθήνα", "αθηνα"),
        ("Ёлка", "елка"),
        ("ﬁn Ｗide", "fin wide"),
        ("李明", "李明"),
    ],
)
def test_letters_are_compared_without_case_and_accents(text: str, plain: str) -> None:
    """Whoever types without them finds who has them, and the other way round."""
    assert folded(text) == plain


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Müller-Lüdenscheidt", ["muller", "ludenscheidt"]),
        ("O'Brien", ["obrien", "o", "brien"]),
        ("D’Arcy", ["darcy", "d", "arcy"]),
        ("anna.smith_2", ["anna", "smith", "2"]),
        ("Anna anna", ["anna"]),
        ("'", []),
        (" -- ", []),
        ("", []),
        ("a" * 100, ["a" * 40]),
    ],
)
def test_a_text_has_these_words(text: str, words: list[str]) -> None:
    """Each that somebody may begin with, once."""
    assert words_of(text) == words


def test_a_text_has_a_bounded_number_of_words() -> None:
    """A title of a thousand words has as many as anybody needs."""
    assert len(words_of(" ".join(map(str, range(1000))))) == 16
    assert len(typed_words(" ".join(map(str, range(1000))))) == 16


def test_what_is_typed_is_words_alone() -> None:
    """Wildcards, control characters and punctuation are nothing; an apostrophe joins."""
    assert typed_words("o'bri* \x00smi%th?") == ["obri", "smi", "th"]


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("+1 (425) 555-0100", "14255550100"),
        ("tel:+1425", "1425"),
        ("0100", "0100"),
        ("12", ""),
        ("anna 0100", ""),
        ("+49 (0)89 12", "498912"),
        ("", ""),
    ],
)
def test_a_number_is_typed_as_people_write_it(text: str, digits: str) -> None:
    """Less than three digits would find too many."""
    assert typed_number(text) == digits


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("+49 (0)89 123-45", ["498912345"]),
        ("tel:+14255550100;ext=1234", ["14255550100", "1234"]),
        ("555 0100 x12", ["5550100", "12"]),
        ("none", []),
    ],
)
def test_a_phone_has_its_digits_and_those_of_its_extension(text: str, numbers: list[str]) -> None:
    """Either is dialled."""
    assert list(numbers_of(text)) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("+49 (0)89 123-45", ["8912345"]),
        ("tel:+14255550100;ext=1234", ["4255550100"]),
        ("+353 1 2345", ["12345"]),
        ("089 123", []),
        ("", []),
    ],
)
def test_a_phone_is_called_without_its_country_too(text: str, numbers: list[str]) -> None:
    """Codes of countries have one to three digits."""
    assert list(nationals_of(text)) == numbers
