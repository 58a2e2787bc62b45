"""What passed unarchived is told in the chain, once, whenever the server ends in between."""

import copy
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from lyncpy.contracts.archive import EntryKind
from lyncpy.contracts.refusal import Refused
from tests.kit.archive import MemoryGapFile
from tests.kit.ledger import MemoryLedger
from tests.kit.results import result_of, started
from tests.kit.vault import Vault, said


def told(ledger: MemoryLedger) -> int:
    """Give how many messages the chain says it lacks."""
    return sum(int(line.body.split()[0]) for line in ledger.lines.values() if line.kind == EntryKind.LOST)


def texts(ledger: MemoryLedger) -> set[bytes]:
    """Give the texts in the chain."""
    return {line.body for line in ledger.lines.values() if line.kind == "message"}


def again(ledger: MemoryLedger, gap: bytes) -> Vault:
    """Start a server on copies of what another has left."""
    return Vault(copy.deepcopy(ledger), MemoryGapFile(gap))


def passing(vault: Vault, *words: str) -> "list[Deferred[None]]":
    """Begin to keep messages."""
    return [started(vault.keeper.archive(said(word))) for word in words]


def test_a_gap_outlives_the_server() -> None:
    """The server ends before the archive works again: the next start tells of it, with the time, and `status` shows it."""
    vault = Vault()
    vault.disk.broken = True
    vault.keep(said("one"), said("two"))
    vault = again(vault.ledger, vault.gap_file.written[-1])
    assert told(vault.ledger) == 2
    assert (vault.keeper.counts.told, vault.keeper.gap.count) == (2, 0)
    vault = again(vault.ledger, vault.gap_file.written[-1])
    assert told(vault.ledger) == 2
    assert vault.verify().broken is None


def test_the_gap_is_durable_before_the_message_passes() -> None:
    """When not even the gap can be noted, the message is refused: nothing is forgotten."""
    vault = Vault()
    vault.disk.broken = vault.gap_file.broken = True
    with pytest.raises(Refused):
        vault.keep(said("one"))
    assert vault.keeper.gap.count == 0
    vault.gap_file.broken = False
    vault.keep(said("two"))
    vault.disk.broken = False
    vault.keep(said("three"))
    assert (told(vault.ledger), texts(vault.ledger)) == (1, {b"three"})


def test_a_gap_is_told_though_nobody_says_anything() -> None:
    """Some seconds after the disk works again the chain has its entry."""
    vault = Vault()
    vault.disk.broken = True
    vault.keep(said("one"))
    vault.clock.advance(30)
    assert told(vault.ledger) == 0
    vault.disk.broken = False
    vault.clock.advance(30)
    assert told(vault.ledger) == 1
    result_of(vault.keeper.close())
    assert len(vault.timers) == 0


def test_what_is_written_late_is_not_also_counted_lost() -> None:
    """The disk did not answer in time, and wrote all the same: the messages are in the chain, and no entry says they are not."""
    vault = Vault(wait_s=5.0)
    vault.disk.slow_down()
    first = passing(vault, "late", "later")
    vault.clock.advance(5)
    assert all(one.called for one in first)
    assert vault.keeper.gap.count == 2
    vault.disk.catch_up()
    vault.keep(said("after"))
    assert vault.keeper.gap.count == 0
    assert (told(vault.ledger), texts(vault.ledger)) == (1, {b"late", b"after"})
    assert vault.verify().broken is None


def test_what_is_written_late_into_the_next_start_is_not_counted_lost() -> None:
    """The server is killed while a write hangs that is done all the same: the chain says so, and the count is right."""
    vault = Vault(wait_s=5.0)
    vault.disk.slow_down()
    passing(vault, "late")
    vault.clock.advance(5)
    noted = vault.gap_file.written[-1]
    without = again(vault.ledger, noted)
    assert (told(without.ledger), texts(without.ledger)) == (1, set())
    vault.disk.do_one()
    done = again(vault.ledger, noted)
    assert (told(done.ledger), texts(done.ledger)) == (0, {b"late"})


class Watched:
    """A server of which each state of its disk is kept, with what had passed by then."""

    def __init__(self) -> None:
        """Start it."""
        self.vault = Vault(wait_s=5.0)
        self.passed: list[str] = []
        self.states: list[tuple[MemoryLedger, bytes, int, int]] = []
        self.said = 0
        append, write = self.vault.ledger.append, self.vault.gap_file.write

        def appended(*of: Any) -> Any:
            self.note()
            result = append(*of)
            self.note()
            return result

        async def written(content: bytes) -> None:
            self.note()
            await write(content)
            self.note()

        self.vault.ledger.append = appended  # type: ignore[assignment, method-assign]  # looked at
        self.vault.gap_file.write = written  # type: ignore[method-assign]  # looked at

    def note(self) -> None:
        """Keep what a kill would leave now."""
        ledger = MemoryLedger()
        for name, value in vars(self.vault.ledger).items():
            if not callable(value):
                setattr(ledger, name, copy.deepcopy(value))
        self.states.append((ledger, self.vault.gap_file.written[-1], len(self.passed), self.said))

    def passes(self, word: str, _: None) -> None:
        """A message passes."""
        self.passed.append(word)

    def says(self, *words: str) -> None:
        """Have messages kept."""
        self.said += len(words)
        for word, one in zip(words, passing(self.vault, *words), strict=True):
            _ = one.addCallback(partial(self.passes, word))
        self.note()


def test_whenever_it_is_killed_each_message_is_in_the_chain_or_counted() -> None:
    """Broken, hanging, late and working: at every step a new start finds what passed once, and only once."""
    watched = Watched()
    vault = watched.vault
    watched.says("a")
    vault.disk.broken = True
    watched.says("b", "c")
    vault.disk.broken = False
    watched.says("d")
    vault.disk.slow_down()
    watched.says("e", "f")
    vault.clock.advance(5)
    watched.says("g")
    vault.disk.catch_up()
    watched.says("h")
    vault.disk.broken = True
    watched.says("i")
    vault.disk.slow_down()
    vault.disk.broken = False
    watched.says("j")
    vault.clock.advance(5)
    vault.disk.broken = True
    vault.disk.catch_up()
    watched.says("k")
    vault.disk.broken = False
    vault.clock.advance(30)
    watched.note()
    assert len(watched.states) > 20
    for ledger, gap, passed, begun in watched.states:
        vault = Vault(ledger, MemoryGapFile(gap))
        accounted = len(texts(ledger)) + told(ledger)
        assert passed <= accounted <= begun
        assert vault.keeper.gap.count == 0
        assert vault.verify().broken is None
