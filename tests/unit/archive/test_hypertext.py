"""HTML, as a person reads it."""

import html.entities
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.workloads.archive.bodies import plain_text
from lyncpy.workloads.archive.hypertext import text_of_html
from tests.kit.costs import grows
from tests.kit.vault import said


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("<p>one</p><p>two<br/>three</P>", "one\ntwo\nthree"),
        ('a <b title="1 > 0">b</b> c', "a b c"),
        ("a<!-- <b> -->b<!doctype html><?xml x?>c", "abc"),
        ("a<script>if (1 < 2) alert('</b>')</SCRIPT>b<style>p > b {}</style >c", "abc"),
        ("1 < 2 && 2 <3 </ 4", "1 < 2 && 2 <3 </ 4"),
        ("&lt;b&gt; &amp;amp; &eacute;&#233;&#xE9;&nbsp;.", "<b> &amp; ééé\xa0."),
        ("&nosuch; &#; &#x110000; &#99999999999;", "&nosuch; &#; \ufffd \ufffd9999;"),
        ("shown<a href='never ends", "shown<a href='never ends"),
        ("shown<!-- never ends", "shown<!-- never ends"),
        ("a<script>hidden", "a"),
    ],
)
def test_what_a_person_reads_is_left(source: str, text: str) -> None:
    """No tags, scripts and comments; what is not finished is shown as it is."""
    assert text_of_html(source) == text


@given(st.lists(st.sampled_from([*"<>&;\"'/!-a ", "<!--", "-->", "<b ", "</", "<script>", "</script", "&#", "&am"])))
def test_no_html_is_an_error(parts: list[str]) -> None:
    """Whatever its letters are, and however much of it there is."""
    assert isinstance(text_of_html("".join(parts)), str)


@pytest.mark.parametrize("before", ["", "<a>", "<script>", "x'"])
@pytest.mark.parametrize(
    "part",
    [
        "<!--",
        "<a ",
        "<![",
        "<",
        "&",
        '<a "',
        "<a '\"",
        "<script>",
        "</script",
        "<?",
        "&#9",
        '<a b="',
        "<p>",
        "<style></style>",
    ],
)
def test_html_costs_as_much_as_it_is_long(before: str, part: str) -> None:
    """A 24 kB text that begins comments and ends none made a search stand still for ten seconds."""
    assert not grows(lambda size: partial(text_of_html, before + part * (size // len(part))))


@pytest.mark.parametrize(
    "charset", ["punycode", "idna", "unicode_escape", "rot13", "hex", "undefined", "nosuch", "x" * 99]
)
def test_only_charsets_of_texts_are_used(charset: str) -> None:
    """Python knows codecs that are none of texts, and one that costs a square; such a text is read as UTF-8."""
    assert plain_text(said("größer-\\x41", content_type=f"text/plain; charset={charset}")) == "größer-\\x41"


@pytest.mark.parametrize("charset", ["iso-8859-1", "Windows-1252", "latin1", "UTF-16", "utf-16le", "utf-8", "koi8-r"])
def test_charsets_of_texts_are_used(charset: str) -> None:
    """Those that clients and gateways write."""
    text = "привет" if charset == "koi8-r" else "größer"
    assert plain_text(said(text.encode(charset), content_type=f"text/plain; charset={charset}")) == text


def test_all_names_of_characters_are_known() -> None:
    """As the standard has them."""
    assert (
        text_of_html("".join(f"&{name}" for name in html.entities.html5 if name.endswith(";")))
        == "".join(letter for name, letter in html.entities.html5.items() if name.endswith(";")).strip()
    )
