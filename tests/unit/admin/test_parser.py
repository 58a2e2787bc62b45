"""A line of words → a command and what it gives it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.workload import Arg, ShellCommand
from lyncpy.workloads.admin.parser import Misused, Vocabulary, usage
from tests.kit.shell import Weather

WORDS = Vocabulary(Weather().offer().commands)


def test_reads_words_arguments_and_flags_in_any_order() -> None:
    """A line says the same wherever its flags stand."""
    lines = (
        "forecast set bob --days 3 --dry-run",
        "forecast set --days=3 --dry-run bob",
        "--dry-run forecast --days 3 set bob",
    )
    for line in lines[:2]:
        use = WORDS.parse(line)
        assert (use.command.name, use.args, use.flags) == (
            "forecast set",
            {"user": "bob"},
            {"days": "3", "dry-run": "true"},
        )
    with pytest.raises(Misused):  # a flag's value before the name is complete cannot be told from the name
        WORDS.parse(lines[2])


def test_quotes_keep_blanks_and_signs_together() -> None:
    """What is quoted is one word, as in a shell; behind -- nothing is a flag."""
    assert WORDS.parse("""users 'a b "c'""").args == {"user": 'a b "c'}
    assert WORDS.parse("users a\\ b").args == {"user": "a b"}
    assert WORDS.parse("users -- --json").args == {"user": "--json"}
    assert WORDS.parse("users -").args == {"user": "-"}


def test_every_command_has_json_and_help() -> None:
    """The two flags that all have are told apart from a command's own."""
    assert WORDS.parse("--json users").json
    use = WORDS.parse("forecast set --help")
    assert (use.help, use.flags) == (True, {})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("usrs", 'there is no command "usrs"; did you mean `users`?'),
        ("forecasts show", 'there is no command "forecasts"; did you mean `forecast show`?'),
        ("xyzzy", 'there is no command "xyzzy"; `help` lists all'),
        ("forecast", "`forecast` goes on: `forecast set`, `forecast show`"),
        ("forecast ste", '`forecast` does not go on with "ste", but: `forecast set`, `forecast show`'),
        ("users 'bob", "a quote is not closed"),
        ("users bob alice", '"alice" is one word too many; use: users [USER] [--json]'),
        ("forecast set", "USER is missing; use: forecast set USER [--days N] [--dry-run] [--json]"),
        ("forecast set bob --dryrun", '`forecast set` has no flag "--dryrun"; did you mean --dry-run?'),
        ("forecast set bob -x", '`forecast set` has no flag "-x"; use: forecast set USER'),
        ("forecast set bob --days", "--days takes N; use:"),
        ("forecast set bob --dry-run=yes", "--dry-run takes no value; use:"),
        ("--json", "no command is named; `help` lists them"),
        ("x" * 500, 'there is no command "' + "x" * 80 + "…"),
    ],
)
def test_what_is_not_understood_is_told_with_what_would_be(line: str, sentence: str) -> None:
    """The sentence names the word and the nearest thing that there is."""
    with pytest.raises(Misused) as error:
        WORDS.parse(line)
    assert str(error.value).startswith(sentence)


def test_the_declaration_is_the_usage() -> None:
    """Arguments in capitals, what may be left out in brackets."""
    assert [usage(command) for command in WORDS.all_commands() if command.name.startswith("forecast")] == [
        "forecast set USER [--days N] [--dry-run] [--json]",
        "forecast show [--json]",
    ]


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("users 'alice'", "users 'alice'"),
        ("lock alice hunter2", "lock alice ****"),
        ("lock alice hunter2 hunter3", "lock alice **** ****"),
        ("lock alice 'hunter 2", "lock alice **** ****"),
        ("user passwd alice hunter2", "user passwd **** ****"),
        ("user password", "user password"),
        ("set --secret=x y", "set --secret=x ****"),
    ],
)
def test_secrets_are_masked_where_lines_are_recorded(line: str, masked: str) -> None:
    """A declared secret never reaches a record, nor what looks like one in a line that is not understood."""
    assert WORDS.masked(line) == masked


@given(st.text())
def test_any_line_is_understood_or_refused_in_words(line: str) -> None:
    """Nothing that is typed breaks the parser, or the mask."""
    WORDS.masked(line)
    try:
        WORDS.parse(line)
    except Misused as error:
        assert str(error)


# --- words before an argument

LOOK = Vocabulary([ShellCommand("look", "See.", Weather().who, args=(Arg("user", "who"), Arg("by", "whom", required=False, after="as seen by")))])  # fmt: skip


def test_an_argument_may_have_words_before_it() -> None:
    """A question reads as people ask it; the words are no arguments."""
    assert LOOK.parse("look bob as seen by alice").args == {"user": "bob", "by": "alice"}
    assert LOOK.parse("look bob").args == {"user": "bob"}
    assert usage(LOOK.all_commands()[0]) == "look USER [as seen by BY] [--json]"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("look bob alice", '"alice" is one word too many; use: look USER [as seen by BY]'),
        ("look bob as heard by alice", '"heard" is one word too many'),
        ("look bob as seen by", "BY is missing"),
        ("look bob as", "BY is missing"),
        ("look bob as seen by alice carol", '"carol" is one word too many'),
    ],
)
def test_half_a_question_is_explained(line: str, sentence: str) -> None:
    """Wrong words, and words without what has to follow them."""
    with pytest.raises(Misused) as misused:
        LOOK.parse(line)
    assert sentence in str(misused.value)


def test_masked_words_before_a_secret_are_not_secrets() -> None:
    """Only the value is hidden."""
    tell = Vocabulary(
        [ShellCommand("tell", "Tell.", Weather().who, args=(Arg("word", "it", secret=True, after="the word"),))]
    )
    assert tell.masked("tell the word xyzzy") == "tell the word ****"
