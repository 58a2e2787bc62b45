"""The writer of the chain."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure

from lyncpy.contracts.archive import ChainPosition, EntryKind, IArchive, LedgerLine
from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import Policy
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.workload import Unfinished
from lyncpy.core.versioned import TRIES
from lyncpy.workloads.archive import keeper as keepers
from lyncpy.workloads.archive import model
from tests.kit.archive import MemoryGapFile, PlainStamps
from tests.kit.fakes import awaited
from tests.kit.ledger import MemoryLedger
from tests.kit.results import result_of, started
from tests.kit.vault import ALICE, BOB, CAROL, NOON, FixedPolicies, Vault, said


def bodies(vault: Vault) -> list[bytes]:
    """Give what is written down, in order."""
    return [vault.ledger.lines[serial].body for serial in sorted(vault.ledger.lines)]


def kinds(vault: Vault) -> list[str]:
    """Give what kinds of entries are written down, in order."""
    return [vault.ledger.lines[serial].kind for serial in sorted(vault.ledger.lines)]


def kept(vault: Vault, text: str) -> "Deferred[None]":
    """Begin to keep something."""
    return started(vault.keeper.archive(said(text)))


def taken_bytes(vault: Vault) -> float:
    """Give how much of waiting_bytes is taken, as a meter shows it."""
    return vault.meter.gauges["lyncpy_archive_waiting_bytes"]()


def outcome(waits: "Deferred[Any]") -> Any:
    """Give what a keep came to: None, or its error; "waits" as long as it waits."""
    results: list[Any] = []
    _ = waits.addBoth(results.append)
    return getattr(results[0], "value", results[0]) if results else "waits"


def test_is_what_it_says() -> None:
    """The implementation declares the promise."""
    assert IArchive.providedBy(Vault().keeper)


def test_only_those_are_archived_whose_policy_says_so() -> None:
    """Off for all at first; one of those who talk is enough; inside and outside are two policies."""
    vault = Vault()
    assert not vault.keeper.wants([ALICE, BOB], external=False)
    vault.policies.policies = {ALICE: Policy(archive_internal=True), BOB: Policy(archive_external=True)}
    assert [vault.keeper.wants([ALICE, CAROL], external) for external in (False, True)] == [True, False]
    assert [vault.keeper.wants([BOB, CAROL], external) for external in (False, True)] == [False, True]
    assert not vault.keeper.wants([], external=True)


def test_what_was_kept_is_a_chain_that_verifies() -> None:
    """Entries are numbered from 1, each behind the one before."""
    vault = Vault()
    vault.keep(said("one"), said("two"), said("", kind=EntryKind.JOINED))
    assert bodies(vault) == [b"one", b"two", b""]
    verdict = vault.verify()
    assert (verdict.broken, verdict.checked, verdict.until.serial) == (None, 3, 3)


def test_the_chain_goes_on_after_a_restart() -> None:
    """A new writer begins behind the last entry of the one before it."""
    vault = Vault()
    vault.keep(said("one"))
    vault = Vault(vault.ledger)
    vault.keep(said("two"))
    assert bodies(vault) == [b"one", b"two"]
    assert vault.verify().broken is None


def test_nothing_is_acknowledged_before_it_is_written() -> None:
    """While the disk writes, others queue, and are written together when it is free."""
    vault = Vault()
    vault.disk.slow_down()
    writes: list[Sequence[LedgerLine]] = []
    append = vault.ledger.append

    def counted(lines: Sequence[LedgerLine], *rest: Any) -> Any:
        writes.append(lines)
        return append(lines, *rest)

    vault.ledger.append = counted  # type: ignore[assignment, method-assign]  # looked at
    waiting = [kept(vault, str(n)) for n in range(5)]
    assert len(vault.keeper) == 5
    assert vault.meter.gauges["lyncpy_archive_waiting_count"]() == 5.0
    assert bodies(vault) == []
    vault.disk.catch_up()
    assert [outcome(one) for one in waiting] == [None] * 5
    assert [len(lines) for lines in writes] == [1, 4]
    assert bodies(vault) == [b"0", b"1", b"2", b"3", b"4"]


def test_without_critical_mode_messages_pass_and_the_gap_is_recorded() -> None:
    """A broken disk stops nobody; when it works again the chain says how many are missing. It is logged once."""
    vault = Vault()
    vault.keep(said("before"))
    vault.disk.broken = True
    with capturedLogs() as events:
        vault.keep(said("lost"), said("lost too"))
    assert vault.keeper.counts.lost == 2
    assert vault.keeper.counts.trouble
    assert [event["log_level"] for event in events] == [LogLevel.error]
    assert "lost" not in str(events)
    vault.disk.broken = False
    vault.keep(said("after"))
    assert bodies(vault) == [
        b"before",
        b"2 messages were passed on from 2026-07-20T12:00:00Z to 2026-07-20T12:00:00Z, and are not archived",
        b"after",
    ]
    assert vault.keeper.counts.trouble == ""
    verdict = vault.verify()
    assert verdict.broken is None
    assert verdict.remarks == ("1 entries say that messages were passed on unarchived before them",)


def test_in_critical_mode_what_cannot_be_written_is_refused() -> None:
    """The speaker is told why in words, until it works again; nothing is recorded as a gap."""
    vault = Vault(critical=True)
    vault.disk.broken = True
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            vault.keep(said("refused"))
        assert caught.value.status == 503
        assert caught.value.diagnostics is not None
        assert "must be archived" in caught.value.diagnostics.reason
        assert "cannot be written" in caught.value.diagnostics.reason
    assert (vault.keeper.counts.refused, vault.keeper.counts.lost) == (2, 0)
    vault.disk.broken = False
    vault.keep(said("kept"))
    assert bodies(vault) == [b"kept"]


def test_nobody_waits_for_ever_for_a_disk_that_hangs() -> None:
    """After wait_s those who wait are refused; who comes meanwhile is refused at once; then all goes on."""
    vault = Vault(critical=True, wait_s=3.0)
    vault.disk.slow_down()
    first, second = kept(vault, "in the write"), kept(vault, "behind it")
    vault.clock.advance(2.9)
    assert not first.called
    vault.clock.advance(0.1)
    late = kept(vault, "late")
    assert taken_bytes(vault) > 0
    assert [type(outcome(one)) for one in (first, second, late)] == [Refused] * 3
    vault.disk.catch_up()
    vault.keep(said("after"))
    # What hung was kept in the end, which was not delivered; what never began was not.
    assert kinds(vault) == [EntryKind.MESSAGE, EntryKind.UNDELIVERED, EntryKind.MESSAGE]
    assert bodies(vault) == [b"in the write", b"", b"after"]
    assert taken_bytes(vault) == 0
    assert vault.verify().broken is None


@pytest.mark.parametrize("is_done", [True, False])
def test_what_was_refused_does_not_stand_as_delivered(is_done: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write fails, and was done all the same, or was not: the archive says of what it has that it was not delivered."""
    vault = Vault(critical=True)
    vault.keep(said("before"))
    append = vault.ledger.append

    def failing(*asked: Any) -> "Deferred[None]":
        if is_done:
            result_of(awaited(append(*asked)))
        return fail(StoreUnavailable("no answer"))

    with monkeypatch.context() as patch:
        patch.setattr(vault.ledger, "append", failing)
        with pytest.raises(Refused):
            vault.keep(said("refused", message_id="7", recipients=(BOB, CAROL)))
    vault.keep(said("after"))
    vault.clock.advance(1)  # nobody waits for it
    assert bodies(vault) == ([b"before", b"refused", b"after", b""] if is_done else [b"before", b"after"])
    if is_done:
        note = model.read(vault.ledger.lines[4]).said
        assert (note.kind, note.message_id, note.recipients) == (EntryKind.UNDELIVERED, "7", (BOB, CAROL))
    assert vault.verify().broken is None


def test_what_waits_is_bounded() -> None:
    """Beyond waiting_bytes a message cannot be archived; what was written makes room again.

    Whoever writes most has a quarter of it, and keeps out nobody else.
    """
    vault = Vault(critical=True, waiting_bytes=1_048_576)
    vault.disk.slow_down()
    senders = [Aor(f"sip:u{number}@example.com") for number in (0, 0, 1, 2, 3, 4)]
    waiting = [started(vault.keeper.archive(said(b"x" * 255_000, sender=sender))) for sender in senders]
    assert [outcome(one) for one in (waiting[0], waiting[2])] == ["waits"] * 2
    assert [type(outcome(waiting[place])) for place in (1, 5)] == [Refused] * 2
    vault.disk.catch_up()
    assert [body for body in bodies(vault) if len(body) == 255_000] == [b"x" * 255_000] * 4
    assert taken_bytes(vault) == 0


def test_who_gives_up_waiting_takes_no_room() -> None:
    """A caller that is cancelled leaves nothing behind; the others are served."""
    vault = Vault()
    vault.disk.slow_down()
    gone, stays = kept(vault, "gone"), kept(vault, "stays")
    gone.cancel()
    outcome(gone)
    vault.disk.catch_up()
    assert outcome(stays) is None
    assert taken_bytes(vault) == 0


def test_a_second_writer_does_not_tear_the_chain() -> None:
    """Who was second looks for the new end and writes behind it."""
    ledger = MemoryLedger()
    one, other = Vault(ledger), Vault(ledger)
    one.keep(said("1"))
    other.keep(said("2"))
    one.keep(said("3"))
    assert bodies(one) == [b"1", b"2", b"3"]
    assert one.verify().broken is None


def test_a_writer_that_is_always_second_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries it is as if the disk failed."""
    ledger = MemoryLedger()
    vault, other = Vault(ledger, critical=True), Vault(ledger)
    append = ledger.append

    def behind_the_other(*asked: Any) -> "Deferred[None]":
        with monkeypatch.context() as patch:
            patch.setattr(ledger, "append", append)
            other.keep(said("theirs"))
        return append(*asked)

    monkeypatch.setattr(ledger, "append", behind_the_other)
    with pytest.raises(Refused):
        vault.keep(said("mine"))
    assert vault.keeper.counts.trouble == "other programs write to the archive all the time"
    assert {*bodies(vault)} == {b"theirs"}
    assert len(bodies(vault)) == TRIES
    assert taken_bytes(vault) == 0


def torn(vault: Vault, how: str) -> None:
    """Do what an intruder does who can write the database."""
    ledger = vault.ledger
    assert ledger.end is not None
    assert ledger.start is not None
    match how:
        case "shortened":
            del ledger.lines[2]
        case "shortened, and the mark moved":
            del ledger.lines[2]
            ledger.end = ChainPosition(1, ledger.lines[1].digest, ledger.end.stamp)
        case "another key":
            vault.stamps.key = b"another"
        case "longer":
            ledger.lines[3] = ledger.lines[2]
        case "another start":
            ledger.start = ChainPosition(1, ledger.lines[1].digest, b"forged")


HOWS = ["shortened", "shortened, and the mark moved", "another key", "longer", "another start"]


@pytest.mark.parametrize("how", HOWS)
def test_a_torn_chain_is_not_written_on(how: str) -> None:
    """Writing behind a false end would hide it: the server starts, says so, and archives nothing."""
    vault = Vault()
    vault.keep(said("1"), said("2"))
    torn(vault, how)
    with capturedLogs() as events:
        vault = vault.restarted()
        vault.keep(said("3"))
    assert any(event["log_level"] is LogLevel.error for event in events)
    assert vault.keeper.counts.lost == 1
    assert b"3" not in bodies(vault)
    assert vault.verify().broken is not None


@pytest.mark.parametrize("how", HOWS)
def test_an_operator_lets_a_torn_chain_go_on(how: str) -> None:
    """Who did it and why is an entry; a tear in the chain itself is found ever after."""
    vault = Vault()
    vault.keep(said("1"), said("2"))
    torn(vault, how)
    result_of(vault.keeper.open())
    end = result_of(vault.keeper.resume("erin", "the disk was replaced"))
    assert end is not None
    vault.keep(said("3"))
    assert bodies(vault)[-2].endswith(b"\nthe disk was replaced")
    assert bodies(vault)[-1] == b"3"
    assert vault.keeper.counts.trouble == ""
    verdict = vault.verify()
    assert verdict.broken is not None
    if how != "longer":
        assert verdict.broken <= end.serial
    behind = vault.verify(end)
    assert (behind.broken, behind.checked) == (None, 1)
    Vault(vault.ledger).keep(said("4"))


def test_there_is_nothing_to_resume_in_a_chain_that_is_whole() -> None:
    """Nothing is written then."""
    vault = Vault()
    vault.keep(said("1"))
    assert result_of(vault.keeper.resume("erin", "why not")) is None
    assert result_of(Vault(MemoryLedger()).keeper.resume("erin", "why not")) is None
    assert bodies(vault) == [b"1"]


@pytest.mark.parametrize("writes", [True, False])
def test_an_operator_does_not_wait_for_ever_for_a_disk_that_hangs(writes: bool) -> None:
    """After wait_s they are told; what hung may have been written all the same, and the archive goes on behind it."""
    vault = Vault(wait_s=3.0)
    vault.keep(said("1"), said("2"))
    del vault.ledger.lines[2]
    vault = Vault(vault.ledger, wait_s=3.0)
    vault.disk.slow_down()
    waits = started(vault.keeper.resume("erin", "the disk was replaced"))
    if writes:
        vault.disk.do_one()
    vault.clock.advance(2.9)
    assert not waits.called
    vault.clock.advance(0.1)
    assert "does not answer" in str(outcome(waits))
    vault.disk.catch_up()
    if not writes:
        assert bodies(vault) == [b"1"]
        assert result_of(vault.keeper.resume("erin", "again")) is not None
    assert result_of(vault.keeper.resume("erin", "there is nothing left to do")) is None
    vault.keep(said("3"))
    assert bodies(vault)[-1] == b"3"
    assert vault.keeper.counts.trouble == ""


def test_what_is_over_is_purged_and_the_rest_verifies() -> None:
    """Slice by slice, from the front; the mark that is left is sealed, and the index forgets with it."""
    vault = Vault()
    vault.keep(*(said(str(n), at=NOON - 1000 + n, conversation=f"c{n // 2}") for n in range(7)))
    assert result_of(vault.keeper.purge(NOON - 1000 + 3)) == 3
    assert bodies(vault) == [b"3", b"4", b"5", b"6"]
    verdict = vault.verify()
    assert (verdict.broken, verdict.checked, verdict.since.serial) == (None, 4, 3)
    assert (ALICE, "c0") not in vault.ledger.places
    assert (ALICE, "c1") in vault.ledger.places
    vault.keep(said("again", conversation="c0", at=NOON))
    assert vault.verify().broken is None


def test_everything_may_be_over() -> None:
    """An archive that was purged to its last entry goes on behind it, also after a restart."""
    vault = Vault()
    vault.keep(said("1"), said("2"))
    assert result_of(vault.keeper.purge(NOON + 1)) == 2
    vault = Vault(vault.ledger)
    vault.keep(said("3"))
    verdict = vault.verify()
    assert (verdict.broken, verdict.checked, verdict.until.serial) == (None, 1, 3)


def test_a_long_archive_is_purged_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits behind a purge."""
    monkeypatch.setattr(keepers, "GROUP", 2)
    vault = Vault()
    vault.keep(*(said(str(n)) for n in range(5)))
    assert result_of(vault.keeper.purge(NOON + 1)) == 5


def test_a_chain_with_a_forged_start_is_not_purged() -> None:
    """The purge would put a good seal on it."""
    vault = Vault()
    vault.keep(said("1"), said("2"))
    torn(vault, "another start")
    assert result_of(vault.keeper.purge(NOON + 1)) == 0
    assert result_of(Vault().keeper.purge(NOON + 1)) == 0


def test_a_purge_by_two_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second leaves it to the first."""
    vault = Vault()
    vault.keep(said("1"), said("2"))
    read = vault.ledger.read_after

    def meanwhile(after: int, limit: int) -> Any:
        lines = read(after, limit)
        monkeypatch.setattr(vault.ledger, "read_after", read)
        result_of(Vault(vault.ledger).keeper.purge(NOON + 1))
        return lines

    monkeypatch.setattr(vault.ledger, "read_after", meanwhile)
    assert result_of(vault.keeper.purge(NOON + 1)) == 0
    assert bodies(vault) == []


def test_an_orderly_end_waits_for_what_waits() -> None:
    """Nothing that was to be archived is given up by a stop."""
    vault = Vault()
    assert outcome(started(Vault().keeper.close())) is None
    vault.disk.slow_down()
    waits, drained = kept(vault, "last"), started(vault.keeper.close())
    assert outcome(drained) == "waits"
    vault.disk.catch_up()
    assert outcome(gatherResults([waits, drained])) == [None, None]


@pytest.mark.parametrize("critical", [True, False])
def test_an_orderly_end_says_what_a_hanging_disk_did_not_take(critical: bool) -> None:
    """It has its bound; the sender is told, or the gap is noted, with its doubt: the next start finds which it was."""
    vault = Vault(critical=critical, wait_s=60.0)
    vault.disk.slow_down()
    waits, closing = kept(vault, "last"), started(vault.keeper.close())
    vault.clock.advance(11)
    assert isinstance(outcome(waits), Refused) is critical
    with pytest.raises(Unfinished, match=r"^1 messages are not known to be archived"):
        result_of(awaited(closing))
    assert vault.keeper.gap.count == (0 if critical else 1)
    gap = vault.gap_file.written[-1]
    without = Vault(copy.deepcopy(vault.ledger), MemoryGapFile(gap))
    assert len(bodies(without)) == (0 if critical else 1)
    vault.disk.catch_up()
    assert bodies(Vault(vault.ledger, MemoryGapFile(gap))) == [b"last"]


def test_a_bug_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged, and those who wait are told as of a disk that failed."""
    vault = Vault(critical=True)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(vault.ledger, "append", fail)
    with capturedLogs() as events, pytest.raises(Refused):
        vault.keep(said("x"))
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]
    assert (len(vault.keeper), taken_bytes(vault)) == (0, 0)


def test_a_store_that_cannot_be_read_is_no_archive() -> None:
    """The server says so when it starts."""
    vault = Vault()
    vault.disk.broken = True
    with pytest.raises(StoreUnavailable):
        result_of(vault.keeper.open())


def test_stamps_of_two_keys_differ() -> None:
    """The fake is no weaker than what it plays."""
    assert PlainStamps().stamp(b"x") != PlainStamps(b"other").stamp(b"x")
    assert FixedPolicies().policy_of(ALICE) == Policy()


# --- several who write


def test_two_who_write_in_turns_come_into_each_others_way_once() -> None:
    """Whoever finds another end than it has left locks it from then on; the chain is one, and nothing is there twice."""
    one = Vault()
    two = Vault(one.ledger, stamps=one.stamps)
    conflicts = 0
    append = one.ledger.append

    def counted(*given: Any) -> Any:
        nonlocal conflicts
        done = append(*given)
        conflicts += isinstance(getattr(done, "result", None), Failure)
        return done

    one.ledger.append = counted  # type: ignore[assignment, method-assign]  # looked at
    for number in range(10):
        one.keep(said(f"one {number}"))
        two.keep(said(f"two {number}"))
    assert conflicts == 2
    assert bodies(one) == [f"{who} {number}".encode() for number in range(10) for who in ("one", "two")]
    assert (one.verify().broken, two.verify().checked) == (None, 20)
    # Who is alone again needs no lock.
    one.clock.advance(keepers.COMPANY_S)
    one.ledger.append_behind = None  # type: ignore[assignment, method-assign]  # not to be called
    one.keep(said("alone"), said("still"))
    assert one.verify().broken is None


def in_company() -> Vault:
    """Give an archive to which another has just written, and that knows of it."""
    one = Vault(critical=True)
    one.keep(said("one"))
    two = Vault(one.ledger, stamps=one.stamps)
    two.keep(said("two"))
    one.keep(said("three"))
    two.keep(said("four"))
    return one


def test_in_company_a_torn_chain_is_not_gone_on_with() -> None:
    """The end that is locked bears a seal of another key: nothing is written, as when one is alone."""
    one = in_company()
    assert one.ledger.end is not None
    one.ledger.end = replace(one.ledger.end, stamp=b"another's")
    with pytest.raises(Refused):
        one.keep(said("five"))
    assert "seal" in one.keeper.counts.trouble
    assert len(one.ledger.lines) == 4


def test_in_company_what_is_in_doubt_is_looked_for() -> None:
    """A write that was given up may be done all the same: the archive says then that the message was not delivered."""
    one = in_company()
    one.disk.slow_down()
    waiting = kept(one, "slow")
    one.clock.advance(one.settings.wait_s)
    assert isinstance(outcome(waiting), Refused)
    one.disk.catch_up()
    one.keep(said("after"))
    one.clock.advance(0.1)
    assert one.verify().broken is None
    assert kinds(one).count(EntryKind.UNDELIVERED) == bodies(one).count(b"slow")


def test_in_company_nothing_is_written_that_was_given_up() -> None:
    """Who was told that it is not archived finds it there no more when the lock comes late."""
    one = in_company()
    append = one.ledger.append_behind
    builds: list[Any] = []

    def late(build: Any, places: Any) -> Any:
        """Wait for the lock for ever."""
        builds.append(build)
        return Deferred()

    one.ledger.append_behind = late  # type: ignore[method-assign]  # as a lock that others hold
    waiting = kept(one, "slow")
    one.clock.advance(one.settings.wait_s)
    assert isinstance(outcome(waiting), Refused)
    assert one.ledger.end is not None
    assert builds[0](one.ledger.end) is None
    one.ledger.append_behind = append  # type: ignore[method-assign]  # as it was
