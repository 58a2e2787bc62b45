"""The shared lexer."""

from collections.abc import Callable

import pytest

from lyncpy.contracts.bounded_cache import held_bytes
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.grammar import (
    KEYS,
    REMEMBERED,
    REMEMBERED_CHARACTERS,
    first_of_list,
    key_of,
    parse_params,
    quote,
    quoted_prefix,
    read_keys,
    remembered,
    split_list,
    unquote,
)
from lyncpy.sip.headers import parse_name_addr, parse_via
from lyncpy.sip.uri import parse_uri


@pytest.mark.parametrize("spelling", ["via", "VIA", "Via", "vIa", "v", "V"])
def test_a_header_has_one_key_however_it_is_spelt(spelling: str) -> None:
    """Case and compact form do not matter."""
    assert key_of(spelling) is KEYS["Via"]


def test_an_unknown_header_has_its_own_key() -> None:
    """Headers that nobody has heard of are told apart by their lower-case name."""
    assert key_of("X-Unknown") == "x-unknown"
    assert key_of("Y") == "y"


def test_lines_are_given_long_names_without_blanks() -> None:
    """Clients that know neither compact names nor blanks before the colon get neither."""
    lines = ["v: SIP/2.0/TLS a", "Subject \t:  hello ", "ms-x:y", "VIA: SIP/2.0/TLS b"]
    assert read_keys(lines) == (("via", "subject", "ms-x", "via"), None)
    assert lines == ["Via: SIP/2.0/TLS a", "Subject:  hello ", "ms-x:y", "VIA: SIP/2.0/TLS b"]


@pytest.mark.parametrize("bad", ["no colon", "Via", "", ": no name", "two words: x", "na\xefve: x"])
def test_lines_that_are_no_headers_are_reported_and_left_out(bad: str) -> None:
    """A broken line spoils its message, but the others still say whom to answer."""
    lines = ["Via: x", bad, "To: y"]
    assert read_keys(lines) == (("via", "to"), bad)
    assert lines == ["Via: x", "To: y"]


def test_folded_lines_become_one() -> None:
    """A line break followed by blanks is one blank."""
    lines = ["To: 1 ", "\t 2", " 3", "From:", " 4"]
    assert read_keys(lines) == (("to", "from"), None)
    assert lines == ["To: 1 2 3", "From: 4"]


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("", ()),
        (" a ", ("a",)),
        ("a,b , c", ("a", "b", "c")),
        ("a,,b,", ("a", "b")),
        ('"x, y" <sip:a,b@c>, d', ('"x, y" <sip:a,b@c>', "d")),
        (r'"\",", b', (r'"\","', "b")),
        ('a, "open, b', ("a", '"open, b')),
        ("a, <open, b", ("a", "<open, b")),
        ('a, "open\\', ("a", '"open\\')),
    ],
)
def test_lists_split_at_bare_commas(text: str, elements: tuple[str, ...]) -> None:
    """Commas within quotes and brackets belong to the element."""
    assert split_list(text) == elements


@pytest.mark.parametrize(
    ("text", "first", "rest"),
    [("a", "a", ""), (" a , b, c", "a", "b, c"), ('"a,b"', '"a,b"', ""), ('"a,b", <c,d>', '"a,b"', "<c,d>")],
)
def test_the_first_element_leaves_the_others_as_they_came(text: str, first: str, rest: str) -> None:
    """Taking the first Via or Route does not touch the next ones."""
    assert first_of_list(text) == (first, rest)


def test_parameters_are_read_with_blanks_flags_and_quotes() -> None:
    """Names are lower case, values lose their quotes, the first of two counts."""
    assert parse_params(' Tag = a ;flag; x="1;2\\"3" ;tag=b;') == {"tag": "a", "flag": "", "x": '1;2"3'}
    assert parse_params(" ") == {}


@pytest.mark.parametrize("text", [";", "a;;b", "=x", 'a="open', 'a="x"y'])
def test_broken_parameters_are_refused(text: str) -> None:
    """A parameter needs a name, and a quote its end."""
    with pytest.raises(RemoteProtocolError):
        parse_params(text)


def test_quoting_keeps_quotes_and_never_breaks_a_line() -> None:
    """A quoted string can hold anything but a line break."""
    assert quote('say "hi" \\ now\r\nthen\rand\nagain') == '"say \\"hi\\" \\\\ now then and again"'
    assert unquote("bare") == "bare"


def test_what_follows_a_quoted_string_is_given() -> None:
    """A display name ends at its closing quote."""
    assert quoted_prefix('"a\\"b" <x>') == ('a"b', " <x>")
    with pytest.raises(RemoteProtocolError):
        quoted_prefix('"open')


@pytest.mark.parametrize("unit", ['"\\', "<", '"', "\\", '"\\" <', ",", ";", "=", '";', "<,"])
def test_hostile_text_is_read_in_linear_time(unit: str) -> None:
    """Nothing a stranger sends makes the lexer try again and again."""
    text = unit * (200_000 // len(unit))
    split_list(text)
    first_of_list(text)
    try:
        parse_params(text)
    except RemoteProtocolError:
        return


def test_errors_say_what_was_wrong() -> None:
    """An error has a reason for the log, and the peer's has a status."""
    error = RemoteProtocolError("no colon", 413)
    assert (str(error), error.reason, error.status) == ("no colon", "no colon", 413)
    assert RemoteProtocolError("x").status == 400
    assert LocalProtocolError("ours").reason == "ours"


def test_what_was_read_is_remembered() -> None:
    """The latest texts, unless they are long; an error is raised anew each time."""
    asked: list[str] = []

    def read(text: str) -> int:
        asked.append(text)
        return int(text)

    look_up = remembered(read)
    long = "1" * (REMEMBERED_CHARACTERS + 1)
    assert [look_up("1"), look_up("1"), look_up(long), look_up(long)] == [1, 1, int(long), int(long)]
    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            look_up("x")
    assert asked == ["1", long, long, "x", "x"]


@pytest.mark.parametrize("letter", ["a", "\xe9", "\u0401", "\U00010d40"])
@pytest.mark.parametrize("value", ["", "=x", "=\u0401\u0401", "=12345678"])
@pytest.mark.parametrize(
    ("read", "before"),
    [(parse_name_addr, "<sip:a@b>;"), (parse_uri, "sip:a@b;"), (parse_via, "SIP/2.0/TLS a;")],
)
def test_what_is_read_in_a_short_text_is_not_much(
    read: Callable[[str], object], before: str, value: str, letter: str
) -> None:
    """However many parameters stand in it, and in whatever script: only what takes little is remembered."""
    remembered_of = 0
    for count in range(1, 100):
        text = before + ";".join(f"{letter}{number}{value}" for number in range(count))
        first = read(text)
        if read(text) is first:
            remembered_of = count
            assert held_bytes(text, first) <= 6_144
    assert remembered_of >= 12


def test_of_many_texts_the_latest_are_remembered() -> None:
    """Strangers can fill no more than a bound; then those that came first are read anew."""
    asked: list[str] = []

    def read(text: str) -> str:
        asked.append(text)
        return text

    look_up = remembered(read)
    for number in range(REMEMBERED + 1):
        look_up(str(number))
    look_up(str(REMEMBERED))
    look_up(str(REMEMBERED // 2))
    assert len(asked) == REMEMBERED + 1
    look_up("0")
    assert asked[-1] == "0"
    assert len(asked) == REMEMBERED + 2
