"""Verification finds what somebody did who can write to the database."""

from typing import Any

import pytest

from lyncpy.contracts.archive import ChainPosition
from lyncpy.workloads.archive import auditor
from lyncpy.workloads.archive.model import ChainPoint, digest_of
from tests.kit.ledger import MemoryLedger
from tests.kit.results import result_of
from tests.kit.vault import ALICE, BOB, NOON, Vault, said


@pytest.fixture(autouse=True)
def _short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a slice end inside of what a test keeps."""
    monkeypatch.setattr(auditor, "SLICE", 3)


@pytest.fixture
def vault() -> Vault:
    """Seven entries in two conversations."""
    vault = Vault()
    vault.keep(*(said(str(n), conversation=f"c{n % 2}") for n in range(1, 8)))
    return vault


def found(vault: Vault, since: ChainPoint | None = None) -> tuple[int | None, str]:
    """Verify, and give what is wrong."""
    verdict = vault.verify(since)
    return verdict.broken, verdict.wrong


def test_an_archive_that_is_whole_is_found_whole(vault: Vault) -> None:
    """All entries are counted, and the last one is named, to be noted elsewhere. Progress is told."""
    told: list[tuple[int, int]] = []
    verdict = result_of(vault.auditor.verify(progress=lambda point, end: told.append((point.serial, end))))
    assert (verdict.broken, verdict.checked) == (None, 7)
    assert verdict.until == ChainPoint(7, vault.ledger.lines[7].digest)
    assert told == [(3, 7), (6, 7), (7, 7)]


def test_an_archive_that_never_began_is_whole() -> None:
    """Nothing is verified then, unless an entry was noted."""
    empty = Vault(MemoryLedger())
    empty.ledger.start = empty.ledger.end = None
    assert found(empty) == (None, "")
    assert found(empty, ChainPoint(3, b"x" * 32)) == (3, "is missing: there is no archive")


def test_a_removed_entry_is_found(vault: Vault) -> None:
    """Also at the edge of a slice, and at the end."""
    for serial in (2, 4, 7):
        line = vault.ledger.lines.pop(serial)
        assert found(vault)[0] == serial
        assert "is missing" in found(vault)[1]
        vault.ledger.lines[serial] = line
    vault.ledger.lines = {8: vault.ledger.lines[7]._replace(serial=8)}
    assert found(vault) == (1, "is missing; the next one that is there is 8")


def test_an_altered_entry_is_found(vault: Vault) -> None:
    """Whichever column it is."""
    changes: list[dict[str, Any]] = [
        {"body": b"changed"},
        {"head": vault.ledger.lines[5].head.replace("alice", "carol")},
        {"digest": b"x" * 32},
        {"at": NOON - 1},
        {"kind": "left"},
        {"conversation": "other"},
    ]
    for change in changes:
        line = vault.ledger.lines[5]
        vault.alter(5, **change)
        assert found(vault)[0] == 5, change
        vault.ledger.lines[5] = line


def test_an_entry_that_was_replaced_with_a_digest_that_fits_is_found(vault: Vault) -> None:
    """The next one says so."""
    line = vault.ledger.lines[5]
    vault.alter(5, body=b"forged", digest=digest_of(line.head, b"forged"))
    broken, wrong = found(vault)
    assert broken == 6
    assert wrong.startswith("does not follow")
    line = vault.ledger.lines[7]
    vault.alter(5, body=b"5", digest=digest_of(vault.ledger.lines[5].head, b"5"))
    vault.alter(7, body=b"forged", digest=digest_of(line.head, b"forged"))
    assert found(vault) == (7, "is not the one that was sealed as the last")


def test_entries_that_changed_places_are_found(vault: Vault) -> None:
    """The first of them."""
    lines = vault.ledger.lines
    lines[3], lines[4] = lines[4]._replace(serial=3), lines[3]._replace(serial=4)
    assert found(vault) == (3, "is another: it calls itself 4")


def test_an_end_that_was_cut_off_is_found(vault: Vault) -> None:
    """With the mark as it was, and with a mark that was moved without the key."""
    assert vault.ledger.end is not None
    del vault.ledger.lines[7]
    assert found(vault) == (7, "is missing, and all up to 7, the last one sealed")
    vault.ledger.end = ChainPosition(6, vault.ledger.lines[6].digest, vault.ledger.end.stamp)
    broken, wrong = found(vault)
    assert broken == 6
    assert "seal" in wrong


def test_an_entry_behind_the_end_is_found(vault: Vault) -> None:
    """It was not written by this server."""
    vault.ledger.lines[8] = vault.ledger.lines[7]._replace(serial=8)
    assert found(vault) == (8, "entries up to 8 are there, but 7 was sealed as the last")


def test_a_purge_by_hand_is_found(vault: Vault) -> None:
    """Only this server's purge can seal the mark that it leaves."""
    digest = vault.ledger.lines.pop(1).digest
    vault.ledger.start = ChainPosition(1, digest, b"forged")
    assert found(vault)[0] == 2
    assert "seal of the beginning" in found(vault)[1]


def test_a_search_that_would_miss_an_entry_is_found(vault: Vault) -> None:
    """The index is verified with the chain; the first entry that it hides is named."""
    vault.ledger.places.discard((BOB, "c0"))
    assert found(vault) == (2, f"is not in the index of {BOB}: a search would not find it")


def test_what_is_broken_first_is_named(vault: Vault) -> None:
    """An entry that the index hides, in front of one that was altered."""
    vault.ledger.places.discard((ALICE, "c1"))
    vault.alter(2, body=b"x")
    assert found(vault)[0] == 1


def test_a_noted_entry_is_found_again(vault: Vault) -> None:
    """That is what finds an archive that was put back as a whole to what it was earlier."""
    noted = vault.verify().until
    vault.keep(said("8"))
    verdict = vault.verify(noted)
    assert (verdict.broken, verdict.checked, verdict.since) == (None, 1, noted)
    assert found(vault, ChainPoint(7, b"x" * 32)) == (7, "is not the one that was noted")
    assert found(vault, ChainPoint(9, b"x" * 32)) == (9, "is missing: the archive ends with 8")
    del vault.ledger.lines[7]
    assert found(vault, noted) == (7, "is missing")


def test_a_noted_entry_that_was_purged_is_no_fault(vault: Vault) -> None:
    """What is behind the purge is verified; the mark itself can be noted."""
    second = ChainPoint(2, vault.ledger.lines[2].digest)
    first = ChainPoint(1, vault.ledger.lines[1].digest)
    vault.alter(3, at=NOON + 10)
    result_of(vault.keeper.purge(NOON + 1))
    vault.alter(3, at=NOON)
    assert [vault.verify(since).checked for since in (first, second, None)] == [5, 5, 5]
    assert found(vault, ChainPoint(2, b"x" * 32)) == (2, "is not the one that was noted")


def test_a_purge_meanwhile_is_no_fault(vault: Vault) -> None:
    """The server may run while its archive is verified."""

    def purge(point: ChainPoint, end: int) -> None:
        if point.serial == 3:
            vault.alter(6, at=NOON + 10)
            result_of(vault.keeper.purge(NOON + 1))
            vault.alter(6, at=NOON)

    verdict = result_of(vault.auditor.verify(progress=purge))
    assert (verdict.broken, verdict.until.serial) == (None, 7)


def test_the_index_of_what_is_purged_meanwhile_is_no_fault(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its places are gone, and so is it."""
    misplaced = vault.ledger.misplaced

    def purge(places: Any) -> Any:
        monkeypatch.setattr(vault.ledger, "misplaced", misplaced)
        result_of(vault.keeper.purge(NOON + 1))
        return misplaced(places)

    monkeypatch.setattr(vault.ledger, "misplaced", purge)
    verdict = vault.verify()
    assert (verdict.broken, verdict.until.serial) == (None, 7)
