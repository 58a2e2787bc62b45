"""The promise IRecords, on every implementation."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lyncpy.contracts.names import NodeName
from lyncpy.contracts.records import (
    AuditRecord,
    ConferenceRecord,
    ConferenceRow,
    ConferenceSessionRecord,
    FocusJoinRecord,
    IRecords,
    McuJoinRecord,
    MessageCountRecord,
    SessionRecord,
)
from tests.kit.cellars import KINDS, NOON, Cellar, opened

ALICE, BOB, CAROL = "sip:alice@example.com", "sip:bob@example.com", "sip:carol@example.com"

CALL = SessionRecord(
    session_id="5d2b2c0e-0000-4000-8000-000000000001",
    call_id="aabb",
    from_tag="1",
    to_tag="2",
    conversation_id="conv",
    user1=ALICE,
    user2=BOB,
    user1_endpoint="uuid-a",
    user2_endpoint="",
    user1_client="UCCAPI/15.0 OC/15.0 (Microsoft Lync)",
    user2_client="",
    media="im",
    invited_at=NOON + 0.25,
    node="node1",
)
COMMAND = AuditRecord(at=NOON, author="erin SHA256:x", source="127.0.0.1", command="users", outcome="ok")

FOCUS = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:MEET"
CHAT = "sip:alice@example.com;gruu;opaque=app:conf:chat:id:MEET"

MEETING = ConferenceRecord("instance-1", FOCUS, ALICE, NOON, node="node1")
DIALOG = ConferenceSessionRecord(
    session_id="d1",
    instance="instance-1",
    uri=FOCUS,
    mcu_uri="",
    call_id="ccdd",
    from_tag="1",
    to_tag="2",
    user=BOB,
    user_endpoint="uuid-b",
    user_client="UCCAPI/15.0 OC/15.0 (Microsoft Lync)",
    content_type="application/cccp+xml",
    invited_at=NOON + 1.5,
    answered_at=NOON + 1.75,
    response_code=200,
    diagnostic_id=0,
    replaced_session="d0",
    referred_by=ALICE,
    node="node1",
)
STAY = FocusJoinRecord("j1", "instance-1", "d1", BOB, "epid-b", "uuid-b", "UCCAPI", "attendee", NOON + 2, node="node1")
CHATTING = McuJoinRecord("m1", "instance-1", "d2", "chat", BOB, "epid-b", "UCCAPI", NOON + 3, node="node1")
COUNT = MessageCountRecord("instance-1", BOB, 7, NOON + 60)
ROWS: tuple[ConferenceRow, ...] = (MEETING, DIALOG, STAY, CHATTING, COUNT)


@pytest.fixture(params=KINDS)
def cellar(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cellar]:
    """One implementation, open and empty."""
    with opened(request.param, tmp_path) as cellar:
        yield cellar


def keep(cellar: Cellar, *sessions: SessionRecord) -> None:
    """Keep sessions and wait."""
    for session in sessions:
        cellar.wait(cellar.records.upsert([session]))


def test_is_what_it_says(cellar: Cellar) -> None:
    """The implementation declares the promise."""
    assert IRecords.providedBy(cellar.records)


def test_gives_a_session_back_as_it_was_kept(cellar: Cellar) -> None:
    """Every column comes back, also those that have no value yet."""
    keep(cellar, CALL)
    assert tuple(cellar.wait(cellar.records.sessions())) == (CALL,)


def test_keeping_a_session_again_replaces_its_row(cellar: Cellar) -> None:
    """A session that goes on is one row, with what is known last."""
    ended = replace(
        CALL,
        user2_endpoint="uuid-b",
        answered_at=NOON + 1,
        ended_at=NOON + 60,
        response_code=200,
        diagnostic_id=0,
        ended_by="user1",
        end_reason="bye",
        user1_messages=3,
        user2_messages=2,
    )
    keep(cellar, CALL, ended)
    assert tuple(cellar.wait(cellar.records.sessions())) == (ended,)


def test_finds_the_sessions_of_a_user_on_either_side(cellar: Cellar) -> None:
    """Bob sees whom he called and who called him, newest first."""
    keep(
        cellar,
        CALL,
        replace(CALL, session_id="2", user1=BOB, user2=CAROL, invited_at=NOON + 5),
        replace(CALL, session_id="3", user1=ALICE, user2=CAROL, invited_at=NOON + 9),
    )
    assert [s.session_id for s in cellar.wait(cellar.records.sessions(BOB))] == ["2", CALL.session_id]


def test_finds_sessions_since_a_moment_up_to_a_limit(cellar: Cellar) -> None:
    """The newest come first; those before `since` do not come."""
    keep(cellar, *(replace(CALL, session_id=str(n), invited_at=NOON + n) for n in range(5)))
    assert [s.session_id for s in cellar.wait(cellar.records.sessions(since=NOON + 1, limit=2))] == ["4", "3"]
    assert [s.session_id for s in cellar.wait(cellar.records.sessions(since=NOON + 3))] == ["4", "3"]
    assert [s.session_id for s in cellar.wait(cellar.records.sessions(since=NOON + 1, until=NOON + 3))] == ["2", "1"]


def test_finds_open_sessions(cellar: Cellar) -> None:
    """A session is open until it has ended."""
    keep(cellar, CALL, replace(CALL, session_id="2", ended_at=NOON + 3))
    assert [s.session_id for s in cellar.wait(cellar.records.sessions(open_only=True))] == [CALL.session_id]


def test_closes_what_dead_nodes_left_open(cellar: Cellar) -> None:
    """After a crash nobody seems to talk for ever; sessions of whoever is alive and the ended ones stay as they are."""
    cellar.wait(cellar.leases.join(NodeName("node2"), "here", 60.0, is_connected=True))
    ours, ended = replace(CALL, session_id="2", node="node2"), replace(CALL, session_id="3", ended_at=NOON + 3)
    keep(cellar, CALL, ours, ended)

    assert cellar.wait(cellar.records.close_open_sessions(NOON + 99)) == 1

    kept = {s.session_id: s for s in cellar.wait(cellar.records.sessions())}
    assert kept[CALL.session_id] == replace(CALL, ended_at=NOON + 99, ended_by="server", end_reason="restart")
    assert (kept["2"], kept["3"]) == (ours, ended)


def test_purges_sessions_that_ended_long_ago(cellar: Cellar) -> None:
    """What ended before the moment goes; what ended then or lasts stays."""
    keep(
        cellar,
        CALL,
        replace(CALL, session_id="old", ended_at=NOON - 1),
        replace(CALL, session_id="edge", ended_at=NOON),
    )
    assert cellar.wait(cellar.records.purge(NOON)) == 1
    assert {s.session_id for s in cellar.wait(cellar.records.sessions())} == {CALL.session_id, "edge"}


def test_keeps_what_an_operator_did(cellar: Cellar) -> None:
    """Commands are given newest first, those of one moment in reverse order of their coming."""
    for command, at in (("users", NOON), ("reload", NOON + 5), ("why alice", NOON + 5)):
        cellar.wait(cellar.records.audit(replace(COMMAND, command=command, at=at)))
    assert [row.command for row in cellar.wait(cellar.records.audited())] == ["why alice", "reload", "users"]
    assert [row.command for row in cellar.wait(cellar.records.audited(NOON + 1, 1))] == ["why alice"]


def test_gives_a_command_back_as_it_was_kept(cellar: Cellar) -> None:
    """Every column of the audit comes back."""
    cellar.wait(cellar.records.audit(COMMAND))
    assert tuple(cellar.wait(cellar.records.audited())) == (COMMAND,)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Evil\udcff/1.0", "Evil\ufffd\ufffd\ufffd/1.0"),
        ("a\0b", "a\ufffdb"),
        ("x" * 5000, "x" * 2000),
        ("Müller/1", "Müller/1"),
    ],
)
def test_text_from_outside_is_kept_readable(cellar: Cellar, sent: str, kept: str) -> None:
    """A client's name that no database holds is kept as far as it can be, and fails nothing."""
    keep(cellar, replace(CALL, user1_client=sent))
    assert cellar.wait(cellar.records.sessions())[0].user1_client == kept


def kept(cellar: Cellar, user: str = "") -> tuple[ConferenceRow, ...]:
    """Give all that is kept of conferences, table by table."""
    wait, records = cellar.wait, cellar.records
    found: list[ConferenceRow] = [*wait(records.conferences(user))]
    for ask in (records.conference_sessions, records.focus_joins, records.mcu_joins, records.message_counts):
        found += wait(ask(user))
    return tuple(found)


def keep_rows(cellar: Cellar, *rows: ConferenceRow) -> None:
    """Keep rows of conferences and wait."""
    cellar.wait(cellar.records.upsert(rows))


def test_gives_back_all_that_was_kept_of_a_conference(cellar: Cellar) -> None:
    """Conference, dialogs, stays in focus and medium, and counts: every column comes back, also the empty ones."""
    keep_rows(cellar)
    keep_rows(cellar, *ROWS)
    assert kept(cellar) == ROWS


def test_keeping_rows_of_a_conference_again_replaces_them(cellar: Cellar) -> None:
    """What goes on is one row; of two with one key that come together the last counts."""
    ended = (
        replace(MEETING, ended_at=NOON + 99, end_reason="last left"),
        replace(DIALOG, ended_at=NOON + 98, ended_by_server=True, end_reason="bye", internal=False),
        replace(STAY, left_at=NOON + 97, role="presenter", internal=False),
        replace(CHATTING, left_at=NOON + 96, from_pstn=True),
        replace(COUNT, messages=9),
    )
    keep_rows(cellar, *ROWS)
    keep_rows(cellar, replace(COUNT, messages=8), *ended)
    assert kept(cellar) == ended


def test_finds_the_conferences_of_a_user(cellar: Cellar) -> None:
    """Those he organised and those he was in, newest first, and in each what is his."""
    other = replace(MEETING, instance="instance-2", organizer=CAROL, started_at=NOON + 500)
    keep_rows(cellar, *ROWS, other, replace(STAY, join_id="j2", instance="instance-2", user=CAROL))
    keep_rows(cellar, replace(STAY, join_id="j3", instance="instance-2", joined_at=NOON + 600))

    assert kept(cellar, user=ALICE) == (MEETING,)
    assert cellar.wait(cellar.records.conferences(BOB)) == (other, MEETING)
    assert cellar.wait(cellar.records.conferences(BOB, since=NOON + 1)) == (other,)
    assert cellar.wait(cellar.records.conferences(BOB, limit=1)) == (other,)
    assert cellar.wait(cellar.records.conferences("sip:nobody@example.com")) == ()
    assert [stay.join_id for stay in cellar.wait(cellar.records.focus_joins(BOB))] == ["j3", "j1"]
    assert [stay.join_id for stay in cellar.wait(cellar.records.focus_joins(instance="instance-2"))] == ["j3", "j2"]
    assert [stay.join_id for stay in cellar.wait(cellar.records.focus_joins(since=NOON + 3, limit=1))] == ["j3"]
    assert "j3" not in [stay.join_id for stay in cellar.wait(cellar.records.focus_joins(until=NOON + 3))]
    assert cellar.wait(cellar.records.conference_sessions(until=NOON - 1)) == ()


def test_finds_the_occurrences_of_a_meeting(cellar: Cellar) -> None:
    """One URI, one row for each time it took place; open ones can be asked for alone."""
    first = replace(MEETING, ended_at=NOON + 60, end_reason="ended")
    second = replace(MEETING, instance="instance-2", started_at=NOON + 86400)
    keep_rows(cellar, first, second, replace(MEETING, instance="instance-3", uri="sip:other"))
    assert cellar.wait(cellar.records.conferences(uri=FOCUS)) == (second, first)
    assert cellar.wait(cellar.records.conferences(uri=FOCUS, open_only=True)) == (second,)


def test_closes_conferences_that_dead_nodes_left_open(cellar: Cellar) -> None:
    """After a crash nobody seems to sit in a meeting for ever; what is of whoever is alive, or over, stays as it is."""
    cellar.wait(cellar.leases.join(NodeName("node2"), "here", 60.0, is_connected=True))
    ours = replace(MEETING, instance="instance-2", node="node2")
    over = replace(STAY, join_id="j0", left_at=NOON + 5, joined_at=NOON)
    keep_rows(cellar, *ROWS, ours, over)

    assert cellar.wait(cellar.records.close_open_conferences(NOON + 99)) == 4

    assert kept(cellar) == (
        replace(MEETING, ended_at=NOON + 99, end_reason="restart"),
        ours,
        replace(DIALOG, ended_at=NOON + 99, end_reason="restart", ended_by_server=True),
        replace(STAY, left_at=NOON + 99),
        over,
        replace(CHATTING, left_at=NOON + 99),
        COUNT,
    )
    keep_rows(cellar, replace(MEETING, node="node2"))
    assert replace(MEETING, node="node2") in cellar.wait(cellar.records.conferences(open_only=True))


def test_purges_conferences_that_ended_long_ago(cellar: Cellar) -> None:
    """All tables are purged by the same moment; what lasts stays."""
    keep_rows(cellar, *ROWS)
    assert cellar.wait(cellar.records.purge(NOON + 60)) == 0
    keep_rows(
        cellar,
        replace(MEETING, ended_at=NOON + 30),
        replace(DIALOG, ended_at=NOON + 30),
        replace(STAY, left_at=NOON + 30),
        replace(CHATTING, left_at=NOON + 30),
        replace(MEETING, instance="instance-2"),
    )
    assert cellar.wait(cellar.records.purge(NOON + 60.5)) == 5
    assert kept(cellar) == (replace(MEETING, instance="instance-2"),)


def test_text_from_outside_in_a_conference_is_kept_readable(cellar: Cellar) -> None:
    """A guest's made-up name with broken bytes fails nothing."""
    keep_rows(cellar, replace(STAY, user_client="Evil\udcff/1\0"))
    assert cellar.wait(cellar.records.focus_joins())[0].user_client == "Evil\ufffd\ufffd\ufffd/1\ufffd"
