"""What Tab makes of a line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.workload import Arg, CommandCall, OperatorRole, OrderedWords, ShellCommand, Table
from lyncpy.workloads.admin.completion import Completion, complete
from lyncpy.workloads.admin.parser import Vocabulary
from tests.kit.shell import Parlour

WORDS = Parlour().admin.words()


async def nothing(asked: CommandCall) -> Table:
    """Do nothing."""
    return Table((), ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("us", "users "),
        ("fo", "forecast "),
        ("forecast se", "forecast set "),
        ("forecast set bo", "forecast set bob@example.com "),
        ("forecast set al", "forecast set al"),
        ("forecast set ali", "forecast set alice@example.com "),
        ("forecast set b --dr", "forecast set b --dry-run "),
        ("forecast set --days 3 bo", "forecast set --days 3 bob@example.com "),
        ("users BO", "users bob@example.com "),
        ("users 'bo", "users bob@example.com "),
        ("why bo", "why bob@example.com "),
        ("why bob as se", "why bob as seen "),
        ("why bob as seen by bo", "why bob as seen by bob@example.com "),
        ("help fore", "help forecast "),
        ("help forecast se", "help forecast set "),
        ("--json us", "--json users "),
        ("nonsense x", "nonsense x"),
        ("forecast ", "forecast s"),
        ("forecast set bob ", "forecast set bob --"),
    ],
)
def test_tab_goes_on_as_far_as_it_is_certain(before: str, after: str) -> None:
    """Words, arguments of this moment and flags are completed."""
    assert complete(WORDS, OperatorRole.OPERATOR, before).before == after


@pytest.mark.parametrize(
    ("before", "choices"),
    [
        ("forecast s", ("set", "show")),
        ("users ", ("albert@example.com", "alice@example.com", "bob@example.com")),
        ("forecast set bob --", ("--days", "--dry-run", "--help", "--json", "--limit", "--watch")),
        ("forecast set bob --dry-run --", ("--days", "--help", "--json", "--limit", "--watch")),
        ("forecast set bob --days ", ()),
        ("s", ("shutdown", "slow", "status")),
    ],
)
def test_tab_lists_what_there_is_to_choose(before: str, choices: tuple[str, ...]) -> None:
    """Where it is not certain, the choices are shown and the line stays."""
    assert complete(WORDS, OperatorRole.OPERATOR, before) == Completion(before, choices)


def test_words_of_a_higher_role_are_not_offered() -> None:
    """A viewer is not led to what he may not do."""
    assert complete(WORDS, OperatorRole.VIEWER, "s").choices == ("slow", "status")
    assert complete(WORDS, OperatorRole.VIEWER, "forecast s").before == "forecast show "


def test_choices_are_quoted_and_bounded() -> None:
    """A choice with blanks stays one word; a thousand choices do not flood the terminal."""
    choices = ["a b", *(f"x{n:04}" for n in range(1000))]
    words = Vocabulary([ShellCommand("take", "Take.", nothing, args=(Arg("what", "it", choices=lambda: choices),))])
    assert complete(words, OperatorRole.VIEWER, "take a").before == "take 'a b' "
    found = complete(words, OperatorRole.VIEWER, "take ")
    assert (len(found.choices), found.more) == (200, 801)


@given(st.text(alphabet="help forcastuwy-@ '\"\\=é", max_size=40))
def test_nothing_typed_breaks_tab(before: str) -> None:
    """Any line has a completion, if only itself."""
    assert isinstance(complete(WORDS, OperatorRole.OPERATOR, before), Completion)


class Looked(list[str]):
    """Names that count how often one is looked at."""

    seen = 0

    def __getitem__(self, index: Any) -> Any:  # Any: as a list has it
        self.seen += 1
        return super().__getitem__(index)


@pytest.mark.untraced
def test_of_a_hundred_thousand_those_are_looked_at_that_are_shown() -> None:
    """Tab goes to where they stand; what it gives is what it gives of any other list."""
    names = Looked(f"p{number:06}@example.com" for number in range(100_000))
    vocabulary = [
        Vocabulary([ShellCommand("show", "", nothing, args=(Arg("user", "", choices=choices),))])
        for choices in (lambda: OrderedWords(names, str), lambda: list[str](names))
    ]
    for before in ("show ", "show p", "show P0123", "show p01234", "show p012345", "show q", "show a"):
        names.seen = 0
        found = complete(vocabulary[0], OperatorRole.VIEWER, before)
        assert names.seen < 100
        assert found == complete(vocabulary[1], OperatorRole.VIEWER, before)
