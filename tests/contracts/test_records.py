"""The promise IRecords, on every implementation."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lyncpy.contracts.records import AuditRecord, IRecords, SessionRecord
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


@pytest.fixture(params=KINDS)
def cellar(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cellar]:
    """One implementation, open and empty."""
    with opened(request.param, tmp_path) as cellar:
        yield cellar


def keep(cellar: Cellar, *sessions: SessionRecord) -> None:
    """Keep sessions and wait."""
    for session in sessions:
        cellar.wait(cellar.records.keep_session(session))


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


def test_finds_open_sessions(cellar: Cellar) -> None:
    """A session is open until it has ended."""
    keep(cellar, CALL, replace(CALL, session_id="2", ended_at=NOON + 3))
    assert [s.session_id for s in cellar.wait(cellar.records.sessions(open_only=True))] == [CALL.session_id]


def test_closes_what_another_start_left_open(cellar: Cellar) -> None:
    """After a crash nobody seems to talk for ever; our own sessions and the ended ones stay as they are."""
    ours, ended = replace(CALL, session_id="2", node="node2"), replace(CALL, session_id="3", ended_at=NOON + 3)
    keep(cellar, CALL, ours, ended)

    assert cellar.wait(cellar.records.close_open_sessions("node2", NOON + 99)) == 1

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
