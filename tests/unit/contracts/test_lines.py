"""Which text of a directory is a line, and what its flags say."""

import pytest

from lyncpy.contracts.directory import TelephonyMode
from lyncpy.contracts.lines import line_of, telephony_of


def test_a_line_is_read_in_any_spelling() -> None:
    """Its normal form is what is compared, kept and told."""
    left_out: list[str] = []
    assert line_of("+1 (425) 555-0100", "line", left_out.append) == "tel:+14255550100"
    assert line_of("TEL:+14255550100;ext=100", "line", left_out.append) == "tel:+14255550100;ext=100"
    assert line_of("", "line", left_out.append) == ""
    assert left_out == []


def test_what_is_no_line_is_left_out_with_a_sentence() -> None:
    """An extension alone means nothing to others; an operator is told what to write."""
    left_out: list[str] = []
    assert line_of("4711", "private_line", left_out.append) == ""
    assert "private_line" in left_out[0]
    assert "tel:+14255550100" in left_out[0]


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", TelephonyMode.UNSAID),
        ("uc", TelephonyMode.UC),
        ("None", TelephonyMode.NONE),
        ("257", TelephonyMode.NONE),
        ("385", TelephonyMode.UC),
        ("272", TelephonyMode.RCC),
        ("784", TelephonyMode.DUAL),
        ("400", TelephonyMode.DUAL),
    ],
)
def test_telephony_is_a_word_or_lync_s_flags(text: str, mode: TelephonyMode) -> None:
    """128 is Enterprise Voice, 16 control of another telephone system, 512 both."""
    left_out: list[str] = []
    assert telephony_of(text, left_out.append) is mode
    assert left_out == []


def test_another_word_is_left_out() -> None:
    """It is told with those that there are."""
    left_out: list[str] = []
    assert telephony_of("voip", left_out.append) is TelephonyMode.UNSAID
    assert "none, uc, rcc and dual" in left_out[0]
