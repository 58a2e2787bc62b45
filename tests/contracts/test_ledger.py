"""The promise ILedger, on every implementation."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lyncpy.contracts.archive import ChainEnds, ChainPosition, EntryFilter, ILedger, LedgerLine, Place
from lyncpy.contracts.store import Conflict
from tests.kit.cellars import KINDS, NOON, Cellar, opened

ALICE, BOB, CAROL = "sip:alice@example.com", "sip:bob@example.com", "sip:carol@example.com"
NAME = ChainPosition(0, b"n" * 32, b"stamp of the start")
ORIGIN = replace(NAME, stamp=b"stamp of the end")


@pytest.fixture(params=KINDS)
def cellar(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cellar]:
    """One implementation, with a chain that has just begun."""
    with opened(request.param, tmp_path) as cellar:
        cellar.wait(cellar.ledger.begin_chain(NAME, ORIGIN))
        yield cellar


def line(serial: int, conversation: str = "talk", at: float = NOON) -> LedgerLine:
    """Give an entry with bytes that are no text."""
    return LedgerLine(
        serial, at + serial, "message", conversation, f'{{"n":{serial}}}', b"\0\xff" * serial, bytes([serial]) * 32
    )


def mark(serial: int) -> ChainPosition:
    """Give the mark behind an entry."""
    return ChainPosition(serial, bytes([serial]) * 32 if serial else NAME.digest, b"stamp %d" % serial)


def add(
    cellar: Cellar, *lines: LedgerLine, places: tuple[Place, ...] = (), expected: ChainPosition | None = None
) -> None:
    """Add entries and wait."""
    before = expected or mark(lines[0].serial - 1)
    cellar.wait(cellar.ledger.append(lines, places, mark(lines[-1].serial), before))


def serials(cellar: Cellar, wanted: EntryFilter, limit: int = 100, *, newest: bool = False) -> list[int]:
    """Find entries."""
    return [one.serial for one in cellar.wait(cellar.ledger.search(wanted, limit, newest=newest))]


def test_is_what_it_says(cellar: Cellar) -> None:
    """The implementation declares the promise."""
    assert ILedger.providedBy(cellar.ledger)


@pytest.mark.parametrize("kind", KINDS)
def test_before_it_begins_there_is_nothing(kind: str, tmp_path: Path) -> None:
    """No ends, no lines; a chain begins once."""
    with opened(kind, tmp_path) as cellar:
        assert cellar.wait(cellar.ledger.ends()) is None
        assert cellar.wait(cellar.ledger.read_after(0, 10)) == ()
        cellar.wait(cellar.ledger.begin_chain(NAME, ORIGIN))
        assert cellar.wait(cellar.ledger.ends()) == ChainEnds(NAME, ORIGIN, 0)
        with pytest.raises(Conflict):
            cellar.wait(cellar.ledger.begin_chain(NAME, ORIGIN))


def test_gives_lines_back_as_they_were_added(cellar: Cellar) -> None:
    """Bytes and times are kept exactly, in order, a slice at a time."""
    lines = [line(n) for n in (1, 2, 3, 4)]
    add(cellar, *lines[:3])
    add(cellar, lines[3])
    assert cellar.wait(cellar.ledger.read_after(0, 3)) == tuple(lines[:3])
    assert cellar.wait(cellar.ledger.read_after(3, 3)) == (lines[3],)
    assert cellar.wait(cellar.ledger.ends()) == ChainEnds(NAME, mark(4), 4)


def test_who_comes_second_is_told(cellar: Cellar) -> None:
    """Of two writers behind the same end one writes, and nothing of the other is kept."""
    add(cellar, line(1))
    for expected in (ORIGIN, replace(mark(1), digest=b"x" * 32)):
        with pytest.raises(Conflict):
            add(cellar, line(2), places=((ALICE, "talk"),), expected=expected)
    with pytest.raises(Conflict):
        add(cellar, line(1), expected=mark(1))
    assert cellar.wait(cellar.ledger.ends()) == ChainEnds(NAME, mark(1), 1)
    assert cellar.wait(cellar.ledger.misplaced([(ALICE, "talk")])) == {(ALICE, "talk")}


def test_the_end_can_be_marked_anew_without_lines(cellar: Cellar) -> None:
    """A new stamp for the same place."""
    add(cellar, line(1))
    anew = replace(mark(1), stamp=b"another")
    cellar.wait(cellar.ledger.append((), (), anew, mark(1)))
    assert cellar.wait(cellar.ledger.ends()) == ChainEnds(NAME, anew, 1)


def test_finds_by_person_conversation_time_and_place(cellar: Cellar) -> None:
    """First or last ones first; limits, times and serials are exclusive where they say so."""
    add(cellar, line(1), line(2, "other"), line(3), line(4), places=((ALICE, "talk"), (BOB, "talk"), (BOB, "other")))
    assert serials(cellar, EntryFilter()) == [1, 2, 3, 4]
    assert serials(cellar, EntryFilter(people=(ALICE,))) == [1, 3, 4]
    assert serials(cellar, EntryFilter(people=(BOB,))) == [1, 2, 3, 4]
    assert serials(cellar, EntryFilter(people=(CAROL,))) == []
    assert serials(cellar, EntryFilter(people=(CAROL, ALICE))) == [1, 3, 4]
    assert serials(cellar, EntryFilter(people=(BOB,), conversation="other")) == [2]
    assert serials(cellar, EntryFilter(people=(BOB,)), 2, newest=True) == [4, 3]
    assert serials(cellar, EntryFilter(since=NOON + 2, until=NOON + 4)) == [2, 3]
    assert serials(cellar, EntryFilter(after=1, before=4)) == [2, 3]


def test_lists_a_persons_conversations(cellar: Cellar) -> None:
    """In order, a slice at a time; a place that is added twice is there once."""
    add(cellar, line(1), places=((BOB, "b"), (BOB, "a"), (ALICE, "c")))
    add(cellar, line(2), places=((BOB, "b"), (BOB, "c")))
    assert cellar.wait(cellar.ledger.conversations([BOB], "", 2)) == ("a", "b")
    assert cellar.wait(cellar.ledger.conversations([BOB], "b", 2)) == ("c",)
    assert cellar.wait(cellar.ledger.conversations([BOB, ALICE], "", 9)) == ("a", "b", "c")
    assert cellar.wait(cellar.ledger.misplaced([(BOB, "a"), (CAROL, "a")])) == {(CAROL, "a")}


def test_a_cut_takes_the_front_and_its_index(cellar: Cellar) -> None:
    """A conversation that goes on keeps its people; one that has nothing left is forgotten."""
    add(cellar, line(1), line(2, "other"), line(3), places=((ALICE, "talk"), (BOB, "other")))
    cellar.wait(cellar.ledger.remove_until(mark(2), NAME))
    assert cellar.wait(cellar.ledger.ends()) == ChainEnds(mark(2), mark(3), 3)
    assert cellar.wait(cellar.ledger.misplaced([(ALICE, "talk"), (BOB, "other")])) == {(BOB, "other")}
    with pytest.raises(Conflict):
        cellar.wait(cellar.ledger.remove_until(mark(3), NAME))
    cellar.wait(cellar.ledger.remove_until(mark(3), mark(2)))
    assert cellar.wait(cellar.ledger.ends()) == ChainEnds(mark(3), mark(3), 0)
    assert cellar.wait(cellar.ledger.read_after(0, 10)) == ()
