"""The archive's words, asked for in the shell as an operator asks for them."""

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from lyncpy.contracts.archive import ConversationEvent, EntryKind
from lyncpy.contracts.policy import Policy
from lyncpy.contracts.workload import IWorkload, OperatorRole
from lyncpy.core.node_lease import OnlyNode
from lyncpy.workloads.admin.service import Admin, ServerControl
from lyncpy.workloads.admin.settings import Settings as AdminSettings
from lyncpy.workloads.admin.shell import Reply, Shell
from lyncpy.workloads.archive import exporter, reader
from lyncpy.workloads.archive.service import DAY_S, EVERY_S, FIRST_S, Archive, ArchiveFiles
from tests.kit.archive import MemoryExports
from tests.kit.memory import MemoryRecords
from tests.kit.platform import platform_of
from tests.kit.results import result_of, started
from tests.kit.shell import DeafRecords, NoReactor, author, nothing_to_reload, reply_of, rows_of, run_here
from tests.kit.vault import ALICE, BOB, CAROL, NOON, Vault, said


class Office:
    """An archive with a shell before it."""

    def __init__(self, records: MemoryRecords | None = None, **settings: Any) -> None:
        """Open both."""
        self.vault = Vault(**settings)
        self.exports = MemoryExports()
        self.records = records or MemoryRecords()
        vault = self.vault
        platform = platform_of(
            vault.clock, timers=vault.timers, policies=vault.policies, meter=vault.meter, records=self.records
        )
        media = ArchiveFiles(vault.fragile, vault.stamps, self.exports, vault.gap_file)
        self.archive = Archive(platform, media, vault.settings, close_s=10.0)
        result_of(self.archive.open())
        admin = AdminSettings()
        words = Admin(
            platform, [self.archive.offer], Path(), admin, NoReactor(), ServerControl(nothing_to_reload), {}
        ).words
        self._shell = Shell(words, self.records, admin, vault.timers, run_here)

    def ask(self, line: str, role: OperatorRole = OperatorRole.OPERATOR) -> Reply:
        """Run a line."""
        return reply_of(self._shell.run_line(line, author(role), None))

    def rows(self, line: str) -> list[dict[str, Any]]:
        """Run a line that succeeds, and give its rows."""
        reply = self.ask(f"{line} --json")
        assert reply.status == 0, reply.err
        rows: list[dict[str, Any]] = json.loads(reply.out)["rows"]
        return rows

    def facts(self, line: str) -> dict[str, Any]:
        """Run a line that succeeds, and give what it tells."""
        reply = self.ask(f"{line} --json")
        assert reply.status == 0, reply.err
        facts: dict[str, Any] = json.loads(reply.out)["facts"]
        return facts

    def keep(self, *some: ConversationEvent) -> None:
        """Have the archive keep these, or some conversations, one after the other."""
        for one in some or self.conversations():
            result_of(self.archive.archive(one))

    def conversations(self) -> tuple[ConversationEvent, ...]:
        """Give what Alice, Bob and Carol said."""
        return (
            said("the plan", at=NOON - 7200),
            said("Fine, the PLAN is good", at=NOON - 3600, sender=BOB, recipients=(ALICE,)),
            said("lunch?", at=NOON - 60, conversation="other", recipients=(CAROL,)),
            said(
                "", at=NOON - 30, conversation="sip:meeting", kind=EntryKind.JOINED, sender=CAROL, recipients=(ALICE,)
            ),
        )


def test_is_what_it_says() -> None:
    """A workload, and an archive for those who pass messages on."""
    office = Office()
    assert IWorkload.providedBy(office.archive)
    office.vault.policies.policies = {ALICE: Policy(archive_internal=True)}
    assert office.archive.wants([ALICE], external=False)
    result_of(office.archive.archive(said()))
    assert office.vault.verify().checked == 1


def test_a_search_finds_by_person_time_text_and_company() -> None:
    """Oldest first; what others said among themselves is not shown."""
    office = Office()
    office.keep()

    def found(words: str) -> list[str]:
        return [row["text"] for row in office.rows(f"archive search {words}")]

    assert found("alice@example.com") == ["the plan", "Fine, the PLAN is good", "lunch?", "(joined)"]
    assert found("SIP:Bob@Example.com") == ["the plan", "Fine, the PLAN is good"]
    assert found("alice@example.com --since 90m") == ["Fine, the PLAN is good", "lunch?", "(joined)"]
    assert found("alice@example.com --until 90m") == ["the plan"]
    assert found("alice@example.com --with carol@example.com") == ["lunch?", "(joined)"]
    assert found("alice@example.com --text plan --limit 1") == ["Fine, the PLAN is good"]
    assert found("alice@example.com --conversation other") == ["lunch?"]
    assert found("dave@example.com") == []
    (row,) = office.rows("archive search carol@example.com --text lunch")
    assert (row["entry"], row["from"], row["to"]) == (3, "alice@example.com", "carol@example.com")


def test_a_search_looks_at_no_more_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator is told that older entries were not looked at."""
    monkeypatch.setattr(reader, "SLICE", 2)
    office = Office()
    office.keep(*(said(str(n)) for n in range(9)))
    assert "9 entries\n" in office.ask("archive search alice@example.com").out
    monkeypatch.setattr(reader, "SCANNED", 3)
    assert "4 entries; older ones were not looked at" in office.ask("archive search alice@example.com").out


def test_a_message_to_many_is_one_line() -> None:
    """The first recipients, and how many more."""
    office = Office()
    office.keep(said(recipients=tuple(f"sip:u{n}@example.com" for n in range(8))))
    (row,) = office.rows("archive search alice@example.com")
    assert row["to"].endswith("u4@example.com and 3 more")


def test_who_reads_what_others_said_is_recorded_before_he_does() -> None:
    """By name, with the words of his search; where that cannot be recorded nothing is shown."""
    office = Office()
    office.keep()
    assert office.ask("archive search bob@example.com --text plan").status == 0
    assert [(row.command, row.outcome) for row in rows_of(office.records)] == [
        ("archive search bob@example.com --text plan", "ok"),
        ("archive search bob@example.com --text plan", "begun"),
    ]
    assert rows_of(office.records)[0].author == "ops@desk SHA256:abc"
    deaf = Office(DeafRecords())
    deaf.keep()
    for words in ("archive search bob@example.com", "archive export bob@example.com"):
        reply = deaf.ask(words)
        assert reply.status == 1
        assert "cannot be recorded" in reply.err
        assert "plan" not in reply.out
    assert not deaf.exports.folders


@pytest.mark.parametrize("words", ["search bob@example.com", "export bob@example.com", "verify", "resume x"])
def test_a_viewer_reads_nothing(words: str) -> None:
    """What others said is for operators."""
    office = Office()
    office.keep()
    assert office.ask(f"archive {words}", OperatorRole.VIEWER).status == 1
    assert office.ask("archive status", OperatorRole.VIEWER).status == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("search bob", "neither an address nor a conversation"),
        ("search bob@example.com --limit 0", "--limit takes a whole number"),
        ("search bob@example.com --since yesterday", "is no time"),
        ("search bob@example.com --with @", "neither an address"),
        ("export bob@example.com --format pdf", "--format is eml or json"),
        ("export nothing", "neither an address nor a conversation"),
        ("verify --from 7", "--from takes SERIAL:DIGEST"),
        ("resume x", "nothing to resume"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(words: str, why: str) -> None:
    """With what to do instead."""
    reply = Office().ask(f"archive {words}")
    assert reply.status == 1
    assert why in reply.err


def test_a_person_is_exported_as_mails() -> None:
    """One for each conversation, in a new folder."""
    office = Office()
    office.keep()
    (row,) = office.rows("archive export alice@example.com --to case-7")
    assert row == {"folder": "/exports/case-7", "files": 3, "conversations": 3, "entries": 4}
    files = office.exports.folders["case-7"]
    assert sorted(files) == ["0000000001.eml", "0000000003.eml", "0000000004.eml"]
    assert b"Subject: Conversation of alice@example.com and bob@example.com\r\n" in files["0000000001.eml"]
    reply = office.ask("archive export alice@example.com --to case-7")
    assert (reply.status, "already" in reply.err) == (1, True)


def test_a_conversation_is_exported_as_json() -> None:
    """By its name; only what was said in the time that is asked for."""
    office = Office()
    office.keep()
    (row,) = office.rows("archive export talk --format json --since 90m")
    assert (row["files"], row["entries"], row["folder"]) == (1, 1, "/exports/export-2026-07-20-120000")
    (content,) = office.exports.folders["export-2026-07-20-120000"].values()
    assert json.loads(content)["text"] == "Fine, the PLAN is good"


def test_a_long_export_is_written_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A very long conversation is several mails; JSON is written as it comes."""
    monkeypatch.setattr(exporter, "MAIL_ENTRIES", 2)
    monkeypatch.setattr(exporter, "CHUNK_BYTES", 10)
    monkeypatch.setattr(reader, "SLICE", 2)
    office = Office()
    office.keep(*(said("x", conversation=f"c{n % 3}") for n in range(15)))
    assert office.rows("archive export bob@example.com --to a")[0]["entries"] == 15
    office.rows("archive export bob@example.com --to b --format json")
    assert len(office.exports.folders["a"]) == 9
    (content,) = office.exports.folders["b"].values()
    assert content.count(b"\n") == 15


def test_the_status_tells_how_the_archive_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds, where it ends, and what it cannot do now."""
    office = Office(critical=False, keep_days=0)
    office.keep()
    rows = office.facts("archive status")
    assert (rows["works"], rows["entries"], rows["purged"], rows["written_since_the_start"]) == (True, 4, 0, 4)
    assert rows["last_entry"] == f"4:{office.vault.ledger.lines[4].digest.hex()}"
    assert (rows["kept_days"], rows["critical"]) == (None, False)
    assert "messages pass unarchived" in office.ask("archive status").out
    office.vault.disk.broken = True
    office.keep(said("x"))
    office.vault.disk.broken = False
    rows = office.facts("archive status")
    assert not rows["works"]
    assert rows["trouble"].startswith("since 2026-07-20T12:00:00Z: ")
    assert rows["passed_unarchived_since_the_start"] == 1
    assert (rows["waiting"], rows["bytes_waiting"], rows["bytes_waiting_at_most"]) == (0, 0, 67108864)
    monkeypatch.setattr(office.vault.ledger, "append", lambda *_: Deferred())
    _ = started(office.archive.archive(said("y" * 1000)))
    rows = office.facts("archive status")
    assert rows["waiting"] == 1
    assert 1000 < rows["bytes_waiting"] < 2000


def test_the_shell_verifies() -> None:
    """A chain that is whole is status 0, one that is not is 1 and names the entry."""
    office = Office()
    office.keep()
    last = f"2:{office.vault.ledger.lines[2].digest.hex()}"
    assert "nothing was removed or altered" in office.ask("archive verify").out
    assert office.facts(f"archive verify --from {last}")["entries"] == 2
    office.vault.alter(3, body=b"dinner?")
    reply = office.ask("archive verify")
    assert reply.status == 1
    assert f"entry 3 was changed: its digest does not fit its text; 2 entries up to {last} are whole" in reply.err


OTHER_KEY = 'not made with the key in "store.key" ([store] key_file)'


def test_an_operator_resumes_a_torn_archive() -> None:
    """He says why; the archive works again and does not forget it."""
    office = Office()
    office.keep()
    office.vault.stamps.key = b"another key"
    result_of(office.archive.open())
    status = office.facts("archive status")["trouble"]
    assert status.startswith("since")
    # Which file it is, and both ways out.
    for words in (OTHER_KEY, "bring back the key that belongs to this database", "`archive resume REASON`"):
        assert words in status
    office.vault.policies.policies = {ALICE: Policy(archive_internal=True)}
    assert OTHER_KEY in result_of(office.archive.reasons(ALICE))[0].finding
    assert OTHER_KEY in office.ask("archive verify").err
    assert office.ask("archive resume 'the key file was lost'").status == 0
    assert "works" in office.ask("archive status").out
    assert office.facts("archive status")["works"]
    assert "the key file was lost" in office.ask("archive verify").err


def test_why_says_what_the_archive_does_to_a_user() -> None:
    """Nothing to whom it leaves alone."""
    office = Office(critical=True)
    office.vault.policies.policies = {
        ALICE: Policy(archive_internal=True, archive_external=True),
        BOB: Policy(archive_external=True),
    }

    def why(aor: Any) -> list[tuple[str, bool]]:
        return [(one.finding, one.good) for one in result_of(office.archive.reasons(aor))]

    assert why(CAROL) == []
    assert why(BOB) == [("what they say and hear with others is archived", True)]
    assert "among people of the enterprise and with others" in why(ALICE)[0][0]
    office.vault.disk.broken = True
    with pytest.raises(Exception, match="must be archived"):
        result_of(office.archive.archive(said()))
    assert why(ALICE) == [("their messages are refused: the disk is broken", False)]


def test_what_is_over_is_purged_every_hour() -> None:
    """After keep_days; never where keep_days is 0."""
    office = Office(keep_days=1)
    office.keep()
    office.vault.clock.advance(FIRST_S + 60)
    assert len(office.vault.ledger.lines) == 4
    for _ in range(int(DAY_S / EVERY_S) + 1):
        office.vault.clock.advance(EVERY_S)
    assert not office.vault.ledger.lines
    assert office.vault.verify().broken is None
    result_of(office.archive.close())
    for closed in (office, Office(keep_days=0)):
        Vault(closed.vault.ledger).keep(said("old", at=1.0))
        closed.vault.clock.advance(2 * EVERY_S)
        assert len(closed.vault.ledger.lines) == 1


def test_what_another_server_has_purged_is_found_again_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index forgets a conversation that is over; who goes on with it is in the index again, wherever they write."""
    office = Office(keep_days=1)
    monkeypatch.setattr(OnlyNode, "has_duty", lambda self, duty: False)
    office.keep(said("the plan", at=NOON))
    for _ in range(int(DAY_S / EVERY_S) + 2):
        office.vault.clock.advance(EVERY_S)
    later = NOON + office.vault.clock.seconds()
    assert result_of(Vault(office.vault.ledger).keeper.purge(NOON + 1)) == 1
    assert not office.vault.ledger.places
    office.keep(said("the plan goes on", at=later))
    assert office.vault.ledger.places == {(ALICE, "talk"), (BOB, "talk")}
    assert office.vault.verify().broken is None


def test_a_purge_that_fails_is_logged_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails costs a line of the log; so does a bug."""
    office = Office()
    office.vault.disk.broken = True
    with capturedLogs() as events:
        office.vault.clock.advance(FIRST_S + 60)
    assert "did not come to its end" in str(events[0]["log_format"])

    def fail() -> None:
        raise ZeroDivisionError

    office.vault.disk.broken = False
    monkeypatch.setattr(office.vault.ledger, "ends", fail)
    with capturedLogs() as events:
        office.vault.clock.advance(EVERY_S + 60)
    assert [event["log_failure"].type for event in events] == [ZeroDivisionError]


def test_a_stop_gives_up_a_purge() -> None:
    """It ends at its next slice, and is no fault."""
    office = Office()
    office.vault.disk.slow_down()
    office.vault.clock.advance(FIRST_S + 60)
    office.vault.clock.advance(EVERY_S)  # not begun twice
    with capturedLogs() as events:
        result_of(office.archive.close())
    assert events == []
