"""What is wrong with TOML that people have written, in words."""

import pytest

from lyncpy.contracts.toml_text import TomlUnusable, read_toml

CLOSED = "the file ends within it: a quote, a ] or a } is missing"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'[sip]\ndomain = "a"\ndomain = "b"\n', "line 3, [sip] domain: stands there twice"),
        (b"[a]\r\nx = 1\r\nx = 2\r\n", "line 3, [a] x: stands there twice"),
        (b"[sip]\na = 1\n[sip]\nb = 2\n", "line 3, [sip]: the section stands there twice"),
        (b"[a]\nb = 1\n[a.b]\n", "line 3, [a.b]: stands there twice"),
        (b"[a.b]\n[a]\nb.c = 1\n", "line 3, [a] b.c: the section stands there twice"),
        (b"[a]\nx = {y = 1}\nx.z = 2\n", "line 3, [a] x.z: belongs to what was written between { } before"),
        (b"[a]\nx = {y = 1, y = 2}\n", "line 2, [a] x: has a key twice"),
        (b"[a]\nx = {y = 1\n", "line 2, [a] x: a } is missing"),
        (b"[sip\n", "line 1: a ] is missing at the end of the section's name"),
        (b"[a]\nx = example.com\n", "line 2, [a] x: the value is neither text in quotes"),
        (b'[a]\nx = "example.com\n', "line 2, [a] x: a quote is missing"),
        (b'[a]\nx = "C:\\Users"\n', "line 2, [a] x: a \\ in a text between"),
        (b'[a]\nx = "\\d"\n', "line 2, [a] x: a \\ in a text between"),
        (b'[a]\nx = "\\ud800"\n', "line 2, [a] x: a \\ in a text between"),
        (b"[a]\nx 5\n", "line 2, [a]: an = is missing"),
        (b"[a]\nx = 5 6\n", "line 2, [a] x: something stands behind the value"),
        (b"x = 1\n[a]\n? = 1\n", "line 3, [a]: is neither a [section] nor a line like name = value"),
        ("[a]\nx.ö = 5\n".encode(), "line 2, [a]: a name may have letters"),
        (b"[a]\n# a\x01\n", "line 2, [a]: has a sign that cannot be seen"),
        (b"[a]\nx = 2026-13-45\n", "line 2, [a] x: something stands behind the value"),
        (b"[a]\nx = 2026-02-30\n", "line 2, [a] x: there is no such day or time"),
        (b"[a]\nx = [1,", f"line 2, [a] x: {CLOSED}"),
        (b'[a]\nx = "y', f"line 2, [a] x: {CLOSED}"),
        (b"x = [1 2]\n", "line 1, x: a ] is missing at the end of the list"),
        (
            "x = 'gr\u00fc\u00df'\n[b]\n".encode("latin-1"),
            "line 1, x: a letter in another code page than UTF-8 (byte 0xfc)",
        ),
        (b"\xef\xbb\xbf[a]\nx = '\xff'\n", "line 2, [a] x: a letter in another code page than UTF-8 (byte 0xff)"),
        ("[a]".encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
        (b"x = " + b"[" * 20_000, "is nested too deeply"),
    ],
)
def test_each_fault_is_told_with_its_line_and_setting(content: bytes, sentence: str) -> None:
    """And with what to do, not with what a parser calls it."""
    with pytest.raises(TomlUnusable) as caught:
        read_toml(content)
    assert str(caught.value).startswith(sentence)


def test_a_mark_at_the_beginning_is_none_of_the_text() -> None:
    """As an editor of Windows writes it."""
    assert read_toml(b'\xef\xbb\xbf[a]\nx = "\xc3\xbc"\n') == {"a": {"x": "ü"}}
