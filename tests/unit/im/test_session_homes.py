"""What a home leaves of a session is read by the next one, and by nobody else."""

from typing import Any

import pytest

from lyncpy.contracts.names import Aor, Epid, NodeName
from lyncpy.contracts.records import SessionRecord
from lyncpy.workloads.im.model.session import MessageCounts, Session, SessionState, Side
from lyncpy.workloads.im.session_homes import UNSEEN, read_session, write_session

NODE = NodeName("n1")
RECORD = SessionRecord(
    "id", "call", "a", "b", "", "sip:alice@x", "sip:bob@x", "", "", "", "", "im", 1.0, 2.0, response_code=200, node=NODE
)
SESSION = Session(
    RECORD,
    Side(Aor("sip:alice@x"), Epid("e1"), "a", 3),
    Side(Aor("sip:bob@x"), Epid("e2"), "b", 4),
    7.0,
    60.0,
    SessionState.ESTABLISHED,
    is_despite=True,
    counts=MessageCounts(1, 2, 3),
)


def test_it_goes_on_as_it_was() -> None:
    """With its counts, its idle time from now on, and room for numbers that were used since."""
    found = read_session(write_session(SESSION), NODE, 100.0)
    assert found is not None
    assert (found.caller, found.callee) == (
        Side(Aor("sip:alice@x"), Epid("e1"), "a", 3 + UNSEEN),
        Side(Aor("sip:bob@x"), Epid("e2"), "b", 4 + UNSEEN),
    )
    assert (found.active_at, found.idle_s, found.answered, found.is_despite) == (100.0, 60.0, True, True)
    assert (found.counts.of_caller, found.counts.of_callee, found.counts.failed) == (1, 2, 3)


def test_what_another_version_says_more_is_passed_over() -> None:
    """A field of the record that is not known here."""
    said: dict[str, Any] = dict(write_session(SESSION))
    said["record"] = {**said["record"], "something": "new"}
    assert read_session(said, NODE, 0.0) is not None


@pytest.mark.parametrize("lacks", ["record", "caller", "callee", "idle_s", "despite"])
def test_what_cannot_be_read_is_nothing(lacks: str) -> None:
    """It is left to be ended as what a lost node has left open."""
    said = {name: value for name, value in write_session(SESSION).items() if name != lacks}
    assert read_session(said, NODE, 0.0) is None


def test_sessions_of_other_nodes_stay_there() -> None:
    """Only those of the lost one are gone on with."""
    assert read_session(write_session(SESSION), NodeName("n2"), 0.0) is None
