"""`cdr USER`."""

from dataclasses import replace
from typing import Any

import pytest

from lyncpy.contracts.names import aor_of
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.records import (
    ConferenceRecord,
    ConferenceSessionRecord,
    FocusJoinRecord,
    MessageCountRecord,
    SessionRecord,
)
from lyncpy.contracts.workload import CommandCall, CommandFailed, Table
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.owners import FormerAddress, Owner, Owners
from lyncpy.workloads.monitoring.calldetail import CallDetail
from tests.kit.fakes import FragileRecords, Fragility, awaited
from tests.kit.hall import Hall
from tests.kit.memory import MemoryRecords
from tests.kit.platform import registrations_of
from tests.kit.results import result_of

NOON = 1_784_548_800.0
ALICE, BOB = "sip:alice@example.com", "sip:bob@example.com"
FOCUS = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:MEET"
TALK = SessionRecord(
    "s",
    "c",
    "f",
    "t",
    "",
    ALICE,
    BOB,
    "",
    "",
    "Lync",
    "Pidgin",
    "im",
    NOON,
    NOON + 1,
    NOON + 60,
    200,
    0,
    "user1",
    "bye",
    3,
    2,
)
MEETING = ConferenceRecord("i", FOCUS, ALICE, NOON - 600, NOON + 500, "ended")
STAY = FocusJoinRecord("j", "i", "d", BOB, "e", "", "Lync", "attendee", NOON + 100, NOON + 400)
REFUSED = ConferenceSessionRecord(
    "d2",
    "",
    FOCUS,
    "",
    "c",
    "f",
    "t",
    BOB,
    "",
    "Lync",
    "",
    NOON + 50,
    NOON + 51,
    NOON + 51,
    response_code=403,
    diagnostic_id=3004,
    end_reason="rejected",
)


class Desk:
    """The command over records in memory."""

    def __init__(self) -> None:
        """Keep a talk, a stay in a meeting and a refusal."""
        self.disk, self.hall = Fragility(), Hall()
        self.owners = Owners()
        for name in (ALICE, BOB):
            self.owners.put_owner(Owner(OwnerId(name), name, aor_of(name)))
        records = MemoryRecords()
        result_of(awaited(records.upsert([TALK])))
        result_of(awaited(records.upsert([MEETING, STAY, REFUSED, MessageCountRecord("i", BOB, 7, NOON)])))
        timers = Timers(self.hall.clock, lambda: NOON + 7200)
        self.records = records
        (self.command,) = CallDetail(
            FragileRecords(records, self.disk),
            registrations_of("n1", self.hall.bus, self.hall.timers),
            self.owners,
            timers,
        ).words()

    def ask(self, user: str, **flags: str) -> Table:
        """Run it."""
        table: Table = result_of(awaited(self.command.run(CommandCall({"user": user}, flags))))
        return table


def shown(table: Table) -> list[dict[str, Any]]:
    """Give the rows by the names of their columns."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_shows_sessions_and_conferences_of_a_user_newest_first() -> None:
    """Whom he talked with, which meetings he was in, and which would not have him."""
    stay, refused, talk = shown(Desk().ask("bob@example.com"))
    assert (stay["what"], stay["with"], stay["as"], stay["sent"], stay["result"]) == (
        "conference",
        FOCUS,
        "attendee",
        7,
        "ended",
    )
    assert (stay["began"], stay["ended"]) == ("2026-07-20T12:01:40Z", "2026-07-20T12:06:40Z")
    assert (refused["what"], refused["result"]) == ("conference", "rejected 403 3004")
    assert (talk["with"], talk["as"], talk["sent"], talk["received"], talk["client"]) == (
        "alice@example.com",
        "callee",
        2,
        3,
        "Pidgin",
    )
    (mine,) = shown(Desk().ask("alice@example.com"))
    assert (mine["with"], mine["as"], mine["sent"], mine["received"], mine["result"]) == (
        "bob@example.com",
        "caller",
        3,
        2,
        "bye 200",
    )


def test_what_lasts_has_no_end_yet() -> None:
    """And what is known of it is shown."""
    desk = Desk()
    open_stay = replace(STAY, join_id="j2", instance="unknown", joined_at=NOON + 900, left_at=None)
    result_of(awaited(desk.records.upsert([open_stay])))
    newest = shown(desk.ask("bob@example.com"))[0]
    assert (newest["ended"], newest["with"], newest["sent"]) == (None, "unknown", 0)


def test_shows_only_what_is_asked_for() -> None:
    """Since a moment, up to a number."""
    desk = Desk()
    assert len(desk.ask("bob@example.com", limit="2").rows) == 2
    assert [row["what"] for row in shown(desk.ask("bob@example.com", since="2026-07-20T12:01:00"))] == ["conference"]
    assert desk.ask("alice@example.com", since="2027-01-01").note == "0 records"
    with pytest.raises(CommandFailed, match="nobody is known as"):
        desk.ask("nobody@example.com")
    assert desk.ask("nobody@example.com", **{"as-written": ""}).note == "0 records"


@pytest.mark.parametrize("limit", ["0", "x", "99999"])
def test_other_limits_are_refused(limit: str) -> None:
    """In words."""
    with pytest.raises(CommandFailed, match="--limit takes"):
        Desk().ask("bob@example.com", limit=limit)


def test_records_that_cannot_be_read_are_said_to_be() -> None:
    """With the reason."""
    desk = Desk()
    desk.disk.broken = True
    with pytest.raises(CommandFailed, match="cannot be read now"):
        desk.ask("bob@example.com")
    assert desk.command.args[0].choices is not None
    assert list(desk.command.args[0].choices()) == []


def test_records_are_found_of_the_person_and_not_of_the_address() -> None:
    """Bob is Robert since noon and a quarter, and somebody else has his address; what began before was Bob's."""
    desk = Desk()
    at, robert, bob = NOON + 900, aor_of("robert@example.com"), aor_of(BOB)
    desk.owners.drop(OwnerId(BOB))
    desk.owners.put_owner(Owner(OwnerId("b#1"), "b", robert, at, (FormerAddress(bob, 0.0, at),)))
    desk.owners.put_owner(Owner(OwnerId("n#1"), "n", bob, at))
    later = replace(TALK, session_id="later", invited_at=at + 60)
    anew = replace(STAY, join_id="anew", user=robert, joined_at=at + 60)
    result_of(awaited(desk.records.upsert([later, anew])))
    before = [row["began"] for row in shown(desk.ask("bob@example.com", **{"as-written": ""}))][1:]
    table = desk.ask("robert@example.com")
    assert [row["began"] for row in shown(table)] == ["2026-07-20T12:16:00Z", *before]
    assert (
        table.note
        == "4 records; as bob@example.com until 2026-07-20T12:15:00Z, robert@example.com from 2026-07-20T12:15:00Z"
    )
    assert [row["began"] for row in shown(desk.ask("robert@example.com", limit="2"))] == [
        "2026-07-20T12:16:00Z",
        before[0],
    ]
    assert len(shown(desk.ask("robert@example.com", since="2026-07-21"))) == 0
    assert [row["began"] for row in shown(desk.ask("bob@example.com"))] == ["2026-07-20T12:16:00Z"]
    assert len(shown(desk.ask("b#1"))) == 4
