"""An operator ends a session: both sides hear it, and the record says who it was."""

import pytest

from lyncpy.contracts.workload import CommandFailed
from tests.kit.stage import Stage


def told(stage: Stage, line: str) -> list[tuple[object, ...]]:
    """Give who was told what."""
    return sorted((row[1], row[3]) for row in stage.shell(line).rows)


def test_both_sides_hear_a_bye(stage: Stage) -> None:
    """And the next message finds another session, as after any end."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, heard = alice.talks_to(bob)
    name = str(stage.shell("sessions").rows[0][0])
    assert told(stage, f"session end {name}") == [("alice@example.com", "BYE"), ("bob@example.com", "BYE")]
    assert (talk.is_over, heard.is_over) == (True, True)
    assert not stage.shell("sessions").rows
    (record,) = stage.sessions()
    assert (record.ended_by, record.end_reason) == ("server", "operator")
    again, _ = alice.talks_to(bob)
    assert again.is_answered


def test_what_rings_is_cancelled(stage: Stage) -> None:
    """The caller gets an answer, the device that rings a CANCEL, and nobody else's call ends."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    bob.lets_it_ring()
    talk = alice.invites(bob)
    other = carol.invites(bob)
    name = next(str(row[0]) for row in stage.shell("sessions").rows if row[1] == "alice@example.com")
    assert told(stage, f"session end {name}") == [("alice@example.com", "487"), ("bob@example.com", "CANCEL")]
    assert (talk.exchange is not None and talk.exchange.status) == 487
    assert [one.is_cancelled for one in bob.talks] == [True, False]
    assert not other.is_over


def test_only_the_sessions_of_one_device_end(stage: Stage) -> None:
    """As ADDRESS/EPID; without it all of the user's."""
    alice, desk, bob = stage.sign_in("alice", "alice", "bob")
    alice.talks_to(bob)
    desk.talks_to(bob)
    assert len(told(stage, f"session end alice@example.com/{desk.sip.epid}")) == 2
    assert len(stage.shell("sessions").rows) == 1
    assert len(told(stage, "session end alice@example.com")) == 2


def test_whoever_is_in_no_session_is_an_error(stage: Stage) -> None:
    """Nothing is ended by what is no name of a session."""
    stage.sign_in("alice")
    for target in ("alice@example.com", "nobody@example.com", "0123abcd"):
        with pytest.raises(CommandFailed, match="is in no session"):
            stage.shell(f"session end {target}")
