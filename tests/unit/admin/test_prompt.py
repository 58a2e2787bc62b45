"""Keys of a terminal and the line they make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.workloads.admin.completion import Completion
from lyncpy.workloads.admin.prompt import Editor, Keys, KeyStroke


def editor(width: int = 40, line_chars: int = 100, history_lines: int = 3) -> Editor:
    """Make an editor whose Tab knows one word and two others."""

    def complete(before: str) -> Completion:
        if before == "us":
            return Completion("users ")
        return Completion(before, ("alice", "bob"), more=2) if before == "" else Completion(before)

    return Editor("> ", width, complete, line_chars, history_lines)


def typed(one: Editor, keys: str) -> tuple[list[str], str]:
    """Type, and give the lines that came out and what the terminal was given."""
    lines, out = [], ""
    for key in Keys().decode(keys.encode()):
        pressed = one.press(key)
        out += pressed.out
        if pressed.line is not None:
            lines.append(pressed.line)
    return lines, out


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("users\r", "users"),
        ("zoë 山\r", "zoë 山"),
        ("usrs\x1b[D\x1b[De\r", "users"),
        ("sers\x01u\x05!\r", "users!"),
        ("sers\x1b[Hu\x1b[F!\r", "users!"),
        ("sersOHu\r", "sersOHu"),
        ("sers\x1bOHu\r", "users"),
        ("userss\x7f\r", "users"),
        ("uusers\x01\x1b[3~\r", "users"),
        ("uusers\x01\x04\r", "users"),
        ("one two three\x17four\r", "one two four"),
        ("one two\x1b[1;5D\x0b\r", "one "),
        ("one two\x1bb\x15\r", "two"),
        ("one two\x01\x1bf!\r", "one! two"),
        ("one\x03two\r", "two"),
        ("us\talice\r", "users alice"),
        ("a\x1b[99;99zb\x1b]c\x00d\r", "abcd"),
        ("山\x7f\x7fb\r", "b"),
    ],
)
def test_keys_edit_the_line(keys: str, line: str) -> None:
    """The usual keys of the usual shells do what they do there; unknown ones do nothing."""
    assert typed(editor(), keys)[0] == [line]


def test_earlier_lines_come_back() -> None:
    """Up and down walk through them, and come back to what was begun; the oldest are forgotten."""
    up, down = "\x1b[A", "\x1b[B"
    one = editor()
    typed(one, "one\rtwo\rtwo\rthree\rfour\r")
    assert typed(one, f"{up}{up}{up}{up}{up}\r")[0] == ["two"]
    assert typed(one, f"draft{up}{up}{down}{down}!\r")[0] == ["draft!"]
    assert typed(editor(history_lines=0), f"one\r{up}x\r")[0] == ["one", "x"]


def test_choices_are_listed_below_and_the_line_is_drawn_again() -> None:
    """Tab where there is a choice."""
    _, out = typed(editor(), "\t")
    assert out == "\nalice  bob\n… and 2 more\n\r> \x1b[K\r\x1b[2C"
    assert typed(editor(), "x\t")[1].endswith("\a")


def test_ctrl_d_leaves_an_empty_line_only() -> None:
    """As in other shells."""
    one = editor()
    typed(one, "x")
    assert not one.press(KeyStroke.END_OF_INPUT).leaves
    typed(one, "\x7f")
    assert one.press(KeyStroke.END_OF_INPUT).leaves


def test_a_line_that_is_too_long_scrolls() -> None:
    """One row is drawn, with the cursor in it."""
    one = editor(width=20)
    typed(one, "abcdefghijklmnopqrstuvwxyz")
    drawn = one.drawn()
    assert "xyz" in drawn
    row = drawn[1:].split("\x1b")[0]
    assert len(row) <= 20
    typed(one, "\x01")
    assert one.drawn().startswith("\r> abcdef")


def test_a_line_has_a_bound() -> None:
    """More is not taken, and the bell says so."""
    lines, out = typed(editor(line_chars=5), "abcdefgh\r")
    assert lines == ["abcde"]
    assert "\a" in out


def test_a_paste_of_lines_is_lines() -> None:
    """Whatever ends its lines."""
    assert typed(editor(), "a\nb\r\nc\rd\r")[0] == ["a", "b", "c", "d"]


def test_the_screen_is_cleared_on_demand() -> None:
    """Ctrl-L."""
    assert typed(editor(), "x\x0c")[1].endswith("\x1b[H\x1b[2J\r> x\x1b[K\r\x1b[3C")


@given(st.lists(st.binary(max_size=8), max_size=20))
def test_any_bytes_are_keys_wherever_they_are_cut(pieces: list[bytes]) -> None:
    """A client that sends nonsense gets a line of nonsense, the same in pieces as in one."""
    keys = Keys()
    cut = [key for piece in pieces for key in keys.decode(piece)]
    assert cut == list(Keys().decode(b"".join(pieces)))
    one = editor(width=12)
    for key in cut:
        pressed = one.press(key)
        assert pressed.line is None or pressed.line.isprintable()
        one.drawn()


@pytest.mark.parametrize("key", KeyStroke)
def test_every_key_does_something(key: KeyStroke) -> None:
    """No key that a terminal can send ends in an error, with or without a line."""
    for line in ("", "users"):
        one = editor()
        typed(one, line)
        assert one.press(key).out
