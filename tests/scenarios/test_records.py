"""Call detail records: who talked with whom, when, how much, and how it ended."""

import pytest

from lyncpy.contracts.records import SessionRecord
from tests.kit.deployment import WALL
from tests.kit.fakes import awaited
from tests.kit.results import result_of
from tests.kit.stage import Stage

ALICE, BOB = "sip:alice@example.com", "sip:bob@example.com"


def _only(stage: Stage) -> SessionRecord:
    """Give the record of the one session besides those of sign-in."""
    found = list(stage.sessions())
    assert len(found) == 1
    return found[0]


@pytest.mark.steady_clock  # it reads times as they were written down
def test_a_whole_conversation_is_recorded(stage: Stage) -> None:
    """Both people, both devices, both clients, the times, and how many messages each way were received."""
    alice, bob = stage.sign_in("alice", "bob")
    began = stage.wall()
    bob.lets_it_ring()
    hers = alice.invites(bob)
    stage.passes(5)
    his = bob.talks[-1]
    his.accepts()
    answered = stage.wall()
    hers.says("one")
    hers.says("two")
    his.says("three")
    hers.types()
    stage.passes(60)
    his.hangs_up()
    record = _only(stage)
    assert (record.user1, record.user2) == (ALICE, BOB)
    assert (record.user1_endpoint, record.user2_endpoint) == (alice.sip.instance, bob.sip.instance)
    assert (record.user1_client, record.user2_client) == (alice.sip.agent, bob.sip.agent)
    assert (record.user1_messages, record.user2_messages, record.messages_failed) == (2, 1, 0)
    assert record.invited_at == pytest.approx(began, abs=0.5)
    assert record.answered_at == pytest.approx(answered, abs=0.5)
    assert record.ended_at == pytest.approx(answered + 60, abs=1)
    assert (record.response_code, record.ended_by, record.end_reason) == (200, "user2", "bye")
    assert (record.media, record.conversation_id) == ("im", "909353124")
    assert record.invited_at > WALL


def test_counts_are_there_while_it_lasts(stage: Stage) -> None:
    """An operator who asks in the middle sees what was said so far."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    for _ in range(3):
        talk.says("la")
    record = _only(stage)
    assert (record.user1_messages, record.ended_at) == (3, None)


def test_only_what_was_received_counts(stage: Stage) -> None:
    """A message that Bob's client did not take is a failure."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    talk.says("one")
    bob.ignores_messages = True
    talk.says("two")
    stage.passes(31)
    record = _only(stage)
    assert (record.user1_messages, record.messages_failed) == (1, 1)


@pytest.mark.parametrize(
    ("ending", "status", "by", "reason"),
    [
        ("declined", 603, "user2", "rejected"),
        ("busy", 486, "user2", "rejected"),
        ("cancelled", 487, "user1", "cancelled"),
        ("silent", 408, "server", "timed out"),
        ("callee cut off while it rings", 430, "server", "connection lost"),
        ("caller cut off while it rings", 487, "user1", "cancelled"),
    ],
)
def test_an_invitation_that_came_to_nothing_says_why(
    stage: Stage, ending: str, status: int, by: str, reason: str
) -> None:
    """Every way in which nobody answers has its code, its author and its word."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    match ending:
        case "declined" | "busy":
            bob.declines(status)
        case "silent":
            bob.is_silent()
    talk = alice.invites(bob)
    match ending:
        case "cancelled":
            talk.cancels()
        case "silent":
            stage.passes(33)
        case "callee cut off while it rings":
            bob.is_cut_off()
        case "caller cut off while it rings":
            alice.is_cut_off()
    record = _only(stage)
    assert (record.response_code, record.ended_by, record.end_reason) == (status, by, reason)
    assert record.ended_at is not None


@pytest.mark.parametrize(("callee", "status", "diagnostic"), [("carol", 480, 1), ("nobody", 404, 1003)])
def test_an_invitation_that_reaches_nobody_is_recorded(stage: Stage, callee: str, status: int, diagnostic: int) -> None:
    """Offline and unknown are told apart."""
    (alice,) = stage.sign_in("alice")
    alice.invites(f"sip:{callee}@example.com")
    record = _only(stage)
    assert record.ended_by == "server"
    assert (record.user2, record.response_code, record.diagnostic_id) == (
        f"sip:{callee}@example.com",
        status,
        diagnostic,
    )


@pytest.mark.parametrize(("who", "by"), [("alice", "user1"), ("bob", "user2")])
def test_a_conversation_that_a_lost_connection_ends(stage: Stage, who: str, by: str) -> None:
    """The record names the side that was lost."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.talks_to(bob)
    {"alice": alice, "bob": bob}[who].is_cut_off()
    record = _only(stage)
    assert (record.ended_by, record.end_reason, record.response_code) == (by, "connection lost", 200)


def test_a_conversation_that_an_operator_ends(stage: Stage) -> None:
    """Signing Bob out ends his conversations, and says so."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    stage.command("signout", target="bob@example.com")
    stage.passes(4)
    assert talk.is_over
    record = _only(stage)
    assert (record.ended_by, record.end_reason) == ("user2", "signed out by operator")
    assert not bob.sip.is_connected


def test_a_message_without_a_conversation_has_a_record_of_its_own(stage: Stage) -> None:
    """Every IM can be found."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.pages(bob, "just so you know")
    record = _only(stage)
    assert (record.user1_messages, record.end_reason, record.response_code) == (1, "single message", 200)


def test_two_conversations_have_two_records(stage: Stage) -> None:
    """Also between the same two people at the same time."""
    alice, bob = stage.sign_in("alice", "bob")
    first, _ = alice.talks_to(bob)
    second, _ = bob.talks_to(alice)
    first.says("a")
    second.says("b")
    second.says("c")
    counts = [(one.user1, one.user1_messages) for one in stage.sessions()]
    assert sorted(counts) == [(ALICE, 1), (BOB, 2)]


# --- shares of what is written


def rows_of(stage: Stage, user: str) -> int:
    """Count the rows that conferences left of somebody."""
    records = stage.records
    found = (records.conference_sessions(user), records.focus_joins(user), records.mcu_joins(user))
    return sum(len(result_of(awaited(some))) for some in found)


def test_who_calls_a_meeting_again_and_again_fills_no_disk() -> None:
    """Of the rows of an hour a user has a share; what is beyond works all the same, and others have all of theirs."""
    with Stage.opened(conferencing={"records_per_user": 20}) as stage:
        alice, bob, carol = stage.sign_in("alice", "bob", "carol")
        first = alice.meets()
        for _ in range(15):
            seat = bob.joins(first.focus)
            assert seat.dialog is not None
            seat.leaves()
        first.locks()
        for _ in range(30):
            bob.seat(first.focus).knocks()
        stage.passes(2)
        assert rows_of(stage, bob.aor) == 20
        first.locks("false")
        carol.joins(first.focus)
        stage.passes(2)
        assert rows_of(stage, carol.aor) == 4
        stage.passes(3600)
        bob.joins(first.focus)
        stage.passes(2)
        assert rows_of(stage, bob.aor) == 24


def test_all_guests_of_an_organizer_have_one_share() -> None:
    """A guest's name is made up, and so is the next one: a link to a meeting is not a way to fill the disk."""
    with Stage.opened(
        policies={"anonymous_participants": True},
        conferencing={"records_per_user": 20, "meeting_url": "https://meet.example.com"},
    ) as stage:
        (alice,) = stage.sign_in("alice")
        first = alice.meets(policy="anonymous", extra="<msci:conference-key>Secret12</msci:conference-key>")
        names = []
        for number in range(15):
            guest = stage.guest(f"Zoe {number}", "Secret12")
            guest.joins(first.focus).leaves()
            guest.is_cut_off()
            names.append(guest.aor)
        stage.passes(2)
        assert sum(rows_of(stage, name) for name in names) == 20
        assert rows_of(stage, alice.aor) == 4


def test_what_clients_write_into_rows_of_conferences_has_a_bound(stage: Stage) -> None:
    """The name of a program of thousands of letters is cut in the row."""
    (alice,) = stage.sign_in("alice")
    bob = stage.actor("bob", agent="a" * 9000)
    bob.signs_in()
    bob.joins(alice.meets().focus)
    stage.passes(2)
    rows = result_of(awaited(stage.records.conference_sessions(bob.aor)))
    assert [len(one.user_client) for one in rows] == [255, 255]
