"""Tables as text and as JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.answers import FACTS, NOTHING, Shown, form
from lyncpy.contracts.workload import Table
from lyncpy.sip.plain import clean
from lyncpy.workloads.admin.render import as_json, as_text, cells_wide, error_json, side_by_side, wrap
from tests.kit.shell import NASTY

PEOPLE = Table(
    ("user", "name", "age"),
    [("alice@example.com", "Alice Liddell", 7), ("bob@example.com", NASTY, 110), ("c", None, None)],
    note="3 people",
)


def text(table: Table, width: int | None = None) -> str:
    """Write a table for people."""
    return "".join(as_text(table, width))


def json_text(table: Table) -> str:
    """Write a table for programs."""
    return "".join(as_json(table, "people", form("user name age:number")))


def test_columns_line_up_and_numbers_at_the_right() -> None:
    """Wide letters count twice, so that what is behind them still lines up."""
    assert text(PEOPLE).splitlines() == [
        "USER               NAME                           AGE",
        "alice@example.com  Alice Liddell                    7",
        "bob@example.com    Zoë \\x1b]0;pwned\\x07\\u202e 山  110",
        "c                  -                                -",
        "",
        "3 people",
    ]


def test_cells_are_written_for_people() -> None:
    """Truths are yes and no, nothing is a dash, and fractions are short."""
    table = Table(("a", "b", "c", "d"), [(True, False, None, 1.25), ("", "x", 0, 2.0)])
    assert [line.split() for line in text(table).splitlines()[1:]] == [["yes", "no", "-", "1.25"], ["x", "0", "2"]]


def test_a_table_without_rows_says_so() -> None:
    """Its note is enough; without one there is a word."""
    assert text(Table(("user",), [], note="nobody")) == "nobody\n"
    assert text(Table(("user",), [])) == "none\n"
    assert text(Table((), ())) == ""


def test_what_is_too_wide_is_wrapped_in_its_column() -> None:
    """The widest column gives way first; nothing is left out."""
    table = Table(("user", "finding"), [("alice", "the password was changed three days ago by the operator")])
    lines = text(table, 40).splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[:3] == ["USER   FINDING", "alice  the password was changed three", "       days ago by the operator"]


def test_a_terminal_too_narrow_for_columns_gets_blocks() -> None:
    """Every row becomes lines of its own."""
    table = Table(tuple("abcdefgh"), [tuple(name * 30 for name in "abcdefgh")] * 2)
    lines = text(table, 60).splitlines()
    assert lines[0] == "A  " + "a" * 30
    assert lines[8] == ""
    assert len(lines) == 17


def test_json_is_one_document_whose_text_is_harmless() -> None:
    """A program reads back what was there; a terminal that shows it obeys nothing."""
    document = json_text(PEOPLE)
    assert json.loads(document) == {
        "rows": [
            {"user": "alice@example.com", "name": "Alice Liddell", "age": 7},
            {"user": "bob@example.com", "name": NASTY, "age": 110},
            {"user": "c", "name": None, "age": None},
        ],
        "command": "people",
        "ok": True,
        "facts": {},
        "counts": {"rows": 3},
        "note": "3 people",
        "error": None,
    }
    assert "山" in document
    assert all(one.isprintable() or one == "\n" for one in document)
    assert json.loads(json_text(Table(("who",), [(frozenset({"x"}),)])))["rows"] == [{"who": "frozenset({'x'})"}]


def test_lone_surrogates_can_be_shown() -> None:
    """Bytes that were no UTF-8 come as halves of characters; they do not break the output."""
    table = Table(("x",), [("a\udcffb",)], note="\udc80")
    assert "a\\udcffb" in text(table)
    assert json.loads(json_text(table).encode())["rows"] == [{"x": "a\udcffb"}]


def test_words_stand_side_by_side() -> None:
    """Choices are listed as `ls` lists files."""
    assert side_by_side(["aa", "b", "c", "dddd", "e"], 14) == "aa    dddd\nb     e\nc"
    assert side_by_side([], 80) == ""


@given(st.text())
def test_clean_text_steers_no_terminal(text: str) -> None:
    """No control character, change of direction or line end is left, and clean text stays as it is."""
    cleaned = clean(text)
    assert not any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 or one in "\u202e\u2066\u2028\u200f" for one in cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()


@given(st.text(alphabet="ab 山é", max_size=60), st.integers(min_value=2, max_value=20))
def test_wrapped_lines_fit_and_lose_no_letter(text: str, width: int) -> None:
    """What is wrapped can be put together again."""
    lines = wrap(text, width)
    assert all(cells_wide(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30), st.integers()), max_size=5), st.integers(20, 120))
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, str, int]], width: int) -> None:
    """Whatever is in a table, it fits."""
    lines = text(Table(("first", "second", "n"), rows), width).splitlines()
    assert all(cells_wide(line) <= max(width, 20) for line in lines)


def test_rows_beyond_what_is_shown_are_not_looked_at() -> None:
    """Whoever cuts the answer is not kept waiting for what is cut off."""
    shown = "".join(as_text(Table(("x",), [("x" * 10,)] * 100), most=50))
    assert shown.count("\n") == 1 + 6


def test_long_tables_are_written_a_piece_at_a_time() -> None:
    """A piece for each row that is measured, and one for each that is written."""
    table = Table(("x",), [(number,) for number in range(100)], note="100")
    assert len(list(as_text(table))) >= 200
    assert len(list(as_json(table, "x", NOTHING))) >= 100
    document = json.loads(json_text(table))
    assert (document["rows"], document["note"]) == ([{"x": number} for number in range(100)], "100")
    assert json.loads(json_text(Table(("x",), [])))["rows"] == []


def test_a_table_of_facts_is_one_object_of_names() -> None:
    """Labels of people become names; what was declared is there, and what comes again is a list."""
    table = Table(
        FACTS, [("memory at most, MiB", 7), ("phone", "work 1"), ("phone", "home 2"), ("up", Shown("1 day", 86400))]
    )
    answer = form(facts="memory_at_most_mib:number phone* login* mail? up:seconds")
    document = json.loads("".join(as_json(table, "user show", answer)))
    assert document["rows"] == []
    assert document["facts"] == {
        "memory_at_most_mib": 7,
        "phone": ["work 1", "home 2"],
        "login": [],
        "mail": None,
        "up": 86400,
    }
    assert "1 day" in text(table)


def test_what_failed_says_so_in_the_document() -> None:
    """With its rows, if there is something to show; a number that JSON does not know is none."""
    table = Table(("x",), [(float("nan"),)], failed="not all\x1b", counts={"left": 3})
    document = json.loads("".join(as_json(table, "x", form("x:number?", counts="left"))))
    assert (document["ok"], document["rows"], document["counts"]) == (False, [{"x": None}], {"rows": 1, "left": 3})
    assert document["error"] == {"kind": "failed", "message": "not all\\x1b"}
    assert json.loads(error_json("users", "misused", "no"))["error"] == {"kind": "misused", "message": "no"}
