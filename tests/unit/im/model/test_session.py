"""A session between two: its states, its deadline, and what is read out of messages for its record."""

from dataclasses import replace

import pytest

from lyncpy.contracts.facts import EndpointGoneReason
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, FlowName, Instance
from lyncpy.contracts.records import SessionRecord
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import EndedBy, EndReason, Session, SessionEvent, SessionState, Side

ALICE, BOB = Aor("sip:alice@example.test"), Aor("sip:bob@example.test")
PHONE = Endpoint(BOB, Epid("b1"), Instance("phone"), "", "sip:bob@10.0.0.2", FlowName("n/1"), "", 0.0, 0.0, "")


def invited(at: float = 0.0) -> Session:
    """Give an invitation of Alice's to Bob, which ends by itself after 600 seconds."""
    record = SessionRecord("id", "call", "ta", "", "", ALICE, BOB, "", "", "", "", "im", 1000.0)
    return Session(record, Side(ALICE, Epid("a1"), "ta", 1), Side(BOB, Epid(""), ""), at, 600.0)


def answer(status: int) -> Response:
    """Give Bob's answer."""
    return Response(status, "", Headers([("To", "<sip:bob@example.test>;tag=tb")]))


def test_an_accepted_session_lasts_until_it_is_ended() -> None:
    """The record says which device accepted; a BYE of the callee is the callee's."""
    session = rules.accepted(invited(), answer(200), PHONE, at=1001.0, now=1.0)
    assert (session.state, session.answered) == (SessionState.ESTABLISHED, True)
    assert (session.callee.tag, session.record.user2_endpoint) == ("tb", "phone")
    over = rules.ended(session, session.ender(session.callee), EndReason.BYE, 1002.0)
    assert (over.state, over.record.ended_by, over.record.end_reason) == (SessionState.TERMINATED, "user2", "bye")
    assert rules.receive(over, SessionEvent.ACCEPTED) is over


@pytest.mark.parametrize(
    ("status", "by_server", "by", "reason"),
    [
        (486, False, "user2", "rejected"),
        (480, True, "server", "rejected"),
        (487, False, "user1", "cancelled"),
        (408, True, "server", "timed out"),
        (430, True, "server", "connection lost"),
    ],
)
def test_a_refused_invitation_says_by_whom(status: int, by_server: bool, by: str, reason: str) -> None:
    """An endpoint's own refusal is the callee's; a response that was made here is the server's."""
    session = rules.refused(invited(), answer(status), 1001.0, by_server=by_server)
    assert session.state is SessionState.TERMINATED
    assert (session.record.ended_by, session.record.end_reason) == (by, reason)


def test_a_message_moves_the_deadline() -> None:
    """A session ends by itself when nothing has been sent in it for too long, and not before."""
    session = rules.accepted(invited(), answer(200), PHONE, at=1001.0, now=10.0)
    assert rules.deadline(session) == 610.0
    rules.count(session, "ta", 300.0, delivered=True)
    assert rules.expire(session, 899.0, 2000.0) is session
    over = rules.expire(session, rules.deadline(session), 2000.0)
    assert (over.state, over.record.ended_by, over.record.end_reason) == (SessionState.TERMINATED, "server", "idle")
    record = rules.recorded(over)
    assert (record.ended_at, record.user1_messages) == (2000.0, 1)


def test_counts_are_those_of_all_values_of_a_session() -> None:
    """A message is counted once, whichever value of its session was at hand; what stands for a side is not copied."""
    ringing = invited()
    session = rules.accepted(ringing, answer(200), PHONE, at=1001.0, now=10.0)
    rules.count(ringing, "ta", 11.0, delivered=True)
    rules.count(session, "tb", 12.0, delivered=True)
    rules.count(session, "tb", 13.0, delivered=False)
    record = rules.recorded(session)
    assert (record.user1_messages, record.user2_messages, record.messages_failed) == (1, 1, 1)
    assert rules.recorded(ringing).user2_messages == 1


def test_the_highest_number_of_a_side_stays() -> None:
    """A request that comes late does not set back the number from which the server's own BYE counts."""
    side = invited().caller
    for number in (7, 3):
        rules.note_sent(side, Request("INFO", "sip:b@x", Headers([("CSeq", f"{number} INFO")])))
    assert side.cseq == 7


def test_the_reason_of_a_fact_is_kept_as_it_is() -> None:
    """Why a device is gone is told by who saw it go; diagnostics of a BYE stand beside."""
    over = rules.ended(invited(), EndedBy.CALLER, EndpointGoneReason.BY_OPERATOR, 1001.0)
    assert over.record.end_reason == "signed out by operator"
    noted = replace(over, record=replace(over.record, diagnostic_id=None))
    bye = Response(200, "", Headers([("ms-client-diagnostics", "52001")]))
    assert rules.ended(noted, EndedBy.CALLER, EndReason.BYE, 1001.0, bye).record.diagnostic_id == 52_001


@pytest.mark.parametrize(
    ("headers", "number"),
    [
        ([], None),
        ([("ms-diagnostics", '1003;reason="User does not exist"')], 1003),
        ([("ms-diagnostics", "1003.5;reason=x")], 1003),
        ([("ms-client-diagnostics", "52001")], 52001),
        ([("ms-diagnostics", "13004"), ("ms-client-diagnostics", "52001")], 13004),
        # One that says nothing does not hide another that does.
        ([("ms-diagnostics", "none;reason=x"), ("ms-diagnostics-public", "5010")], 5010),
        ([("ms-diagnostics", "x"), ("ms-diagnostics-public", ""), ("ms-client-diagnostics", "52001")], 52001),
        ([("ms-diagnostics", "-1")], None),
        ([("ms-diagnostics", "\u0661")], None),
        # A database keeps it in four bytes (PostgreSQL's integer).
        ([("ms-diagnostics", "2147483648")], None),
        ([("ms-diagnostics", "999999999")], 999_999_999),
    ],
)
def test_the_number_of_diagnostics(headers: list[tuple[str, str]], number: int | None) -> None:
    """Spec: [MS-OCER] 2.2.1: the first header that has a number, of the three that may have one."""
    response = Response(486, "Busy Here", Headers(headers))
    assert rules.diagnostic_id(response) == number


@pytest.mark.parametrize(
    ("over", "words"),
    [
        (rules.refused(invited(), answer(603), 1.0), "is over by bob@example.test: rejected, 603"),
        (rules.refused(invited(), answer(487), 1.0), "is over by alice@example.test: cancelled, 487"),
        (rules.expire(invited(), 601.0, 1.0), "is over by the server: idle"),
        (invited(), "is over: no reason is known"),
    ],
)
def test_the_end_is_told_in_words(over: Session, words: str) -> None:
    """By whom, why, and with which status."""
    assert rules.ending(over) == words


@pytest.mark.parametrize(
    ("media", "uri", "is_call"),
    [
        ("audio", "sip:bob@example.test", True),
        ("audio video", "sip:bob@example.test", True),
        ("video", "sip:bob@example.test", True),
        ("im", "sip:bob@example.test", False),
        ("appsharing data", "sip:bob@example.test", False),
        ("", "sip:bob@example.test", False),
        ("audio", "sip:bob@example.test;opaque=user:epid:x;gruu", False),
    ],
)
def test_a_call_has_sound_or_pictures_and_is_for_a_user(media: str, uri: str, is_call: bool) -> None:
    """What is for one of their devices alone rings there."""
    session = invited()
    session = replace(session, record=replace(session.record, media=media))
    assert rules.is_call(session, Request("INVITE", uri, Headers([]))) is is_call


def test_a_call_that_somebody_else_took_ends_for_who_was_called() -> None:
    """In a record of its own, beside that of the session."""
    record = rules.taken(invited(), "another", 1001.0)
    assert (record.session_id, record.response_code, record.ended_at) == ("another", 181, 1001.0)
    assert (record.ended_by, record.end_reason) == ("user2", "forwarded")
