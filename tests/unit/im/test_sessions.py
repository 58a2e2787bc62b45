"""Two people talk: what is passed on, counted, recorded and refused."""

from collections.abc import Callable, Sequence

import pytest
from twisted.internet.defer import Deferred

from lyncpy.contracts.facts import AccessChanged, EndpointGone, EndpointGoneReason
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.records import CallRecord, SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import CommandFailed
from tests.kit.fakes import awaited
from tests.kit.results import result_of
from tests.kit.sessions import ALICE, BOB, CAROL, SDP, Scene


@pytest.fixture
def scene() -> Scene:
    """Give Alice and Bob."""
    return Scene()


def test_a_session_is_recorded_from_beginning_to_end(scene: Scene) -> None:
    """Who, when, with what, how many messages each way, and how it ended."""
    scene.talk()
    scene.clock.advance(5)
    answer = scene.send("MESSAGE", tags=("ta", "tb"), number=2, body=b"hi")
    scene.outbound.to("n/b1").answers(200)
    assert answer[0].status == 200
    back = scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), body=b"hello")
    scene.outbound.to("n/a1").answers(200)
    assert back[0].status == 200
    bye = scene.send("BYE", tags=("ta", "tb"), number=3)
    scene.outbound.to("n/b1").answers(200)
    assert bye[0].status == 200
    record = scene.record
    assert (record.user1, record.user2) == (ALICE, BOB)
    assert (record.user1_endpoint, record.user2_endpoint) == ("instance-a1", "instance-b1")
    assert (record.user1_client, record.user2_client) == ("Purple/1", "Lync")
    assert (record.user1_messages, record.user2_messages, record.messages_failed) == (1, 1, 0)
    assert (record.response_code, record.ended_by, record.end_reason) == (200, "user1", "bye")
    assert (record.media, record.conversation_id) == ("im", "conv")
    assert record.ended_at is not None
    assert record.ended_at - record.invited_at == 5


def test_the_record_is_there_while_the_session_lasts(scene: Scene) -> None:
    """A query sees a session under way, with its messages so far."""
    scene.talk()
    scene.send("MESSAGE", tags=("ta", "tb"), number=2, body=b"hi")
    scene.outbound.to("n/b1").answers(200)
    record = scene.record
    assert record.ended_at is None
    assert record.user1_messages == 1


def test_a_message_writes_nothing_by_itself(scene: Scene) -> None:
    """Counts of all sessions reach their records together, in one write, a while after the first of them."""
    writes: list[Sequence[CallRecord]] = []
    write = scene.records.upsert

    def noted(rows: Sequence[CallRecord]) -> Deferred[None]:
        writes.append(rows)
        return write(rows)

    for number in range(5):
        scene.send("INVITE", body=SDP, call_id=f"c{number}")
        scene.outbound.to("n/b1").answers(200, tag="tb")
    scene.clock.advance(2)
    scene.records.upsert = noted  # type: ignore[method-assign]  # to look at
    for number in range(2, 12):
        scene.send("MESSAGE", tags=("ta", "tb"), number=number, call_id=f"c{number % 5}", body=b"hi")
        scene.outbound.to("n/b1").answers(200)
    assert not writes
    scene.clock.pump([1, 0.01])
    (rows,) = writes
    assert [row.user1_messages for row in rows if isinstance(row, SessionRecord)] == [2] * 5
    scene.clock.advance(10)
    assert len(writes) == 1


def test_however_many_have_talked_their_counts_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are recorded some at a time, as pieces of long work; all of them in the end, and none twice."""
    scene = Scene(record_counts_s=5.0)
    pieces: list[Callable[[], None]] = []
    for number in range(120):
        scene.send("INVITE", body=SDP, call_id=f"c{number}")
        scene.outbound.to("n/b1").answers(200, tag="tb")
    scene.clock.pump([0.5] * 8)
    for number in range(120):
        scene.send("MESSAGE", tags=("ta", "tb"), number=2, call_id=f"c{number}", body=b"hi")
        scene.outbound.to("n/b1").answers(200)
    sessions = scene.im.sessions.all_sessions()
    monkeypatch.setattr(scene.timers, "soon", pieces.append)
    scene.clock.pump([1.0] * 6)
    waiting = [sum(session.counts.is_news for session in sessions)]
    while pieces:
        pieces.pop()()
        waiting.append(sum(session.counts.is_news for session in sessions))
    assert waiting == [70, 20, 0]
    scene.clock.advance(1.0)
    assert [record.user1_messages for record in scene.all_records()] == [1] * 100


def test_what_is_answered_after_the_end_is_counted_no_more(scene: Scene) -> None:
    """The record of a session that has ended is not written again as if it lasted."""
    scene.talk()
    scene.send("MESSAGE", tags=("ta", "tb"), number=2, body=b"hi")
    message = scene.outbound.to("n/b1")
    scene.send("BYE", tags=("ta", "tb"), number=3)
    message.answers(200)
    assert scene.record.ended_at is not None
    assert scene.record.user1_messages == 0


@pytest.mark.parametrize("failure", [408, 480, 481])
def test_a_message_that_was_not_taken_is_no_message(scene: Scene, failure: int) -> None:
    """Only the receiver's own 200 counts; the sender hears the failure."""
    scene.talk()
    answer = scene.send("MESSAGE", tags=("ta", "tb"), number=2, body=b"hi")
    scene.outbound.to("n/b1").answers(failure)
    assert answer[0].status == failure
    assert (scene.record.user1_messages, scene.record.messages_failed) == (0, 1)


@pytest.mark.parametrize(
    ("to", "status", "error_id"),
    [(CAROL, 480, 1), ("sip:nobody@example.test", 404, 1003), ("sip:dave@example.test", 404, 1003)],
)
def test_who_cannot_be_reached_is_told_apart(scene: Scene, to: str, status: int, error_id: int) -> None:
    """Offline, unknown and disabled people have the status that clients show in words; each try is recorded."""
    (no,) = scene.send("INVITE", to=to, body=SDP)
    assert (no.status, no.diagnostics.error_id) == (status, error_id)
    record = scene.record
    assert (record.response_code, record.diagnostic_id, record.end_reason) == (status, error_id, "rejected")


def test_a_blocked_sender_hears_what_an_offline_user_gives(scene: Scene) -> None:
    """Whoever is blocked cannot tell that they are."""
    (offline,) = scene.send("INVITE", to=CAROL, body=SDP)
    scene.privacy.pairs.add((BOB, ALICE))
    (blocked,) = scene.send("INVITE", to=BOB, body=SDP, tags=("tx", ""))
    assert (blocked.status, blocked.diagnostics, blocked.headers) == (
        offline.status,
        offline.diagnostics,
        offline.headers,
    )
    assert scene.outbound.calls == []


def test_one_block_that_cannot_be_read_leaves_the_others_as_they_are(scene: Scene) -> None:
    """Whom Bob is known to have blocked is parted from him, as a call that rings; the talk of whom that cannot be read goes on."""
    scene.talk()
    scene.sign_in(CAROL, "c1")
    ringing = scene.send("INVITE", by=CAROL, epid="c1", tags=("tc", ""), call_id="c2", body=SDP)
    scene.privacy.unreadable[BOB, ALICE] = StoreUnavailable("no disk")
    scene.privacy.pairs.add((BOB, CAROL))
    scene.tells(AccessChanged(BOB))
    (no,) = ringing
    assert no.status == 430  # as if his devices were gone
    assert scene.count("sessions") == 1
    answer = scene.send("MESSAGE", tags=("ta", "tb"), number=2, body=b"hi")
    scene.outbound.to("n/b1").answers(200)
    assert answer[0].status == 200


def test_an_invitation_goes_to_every_device(scene: Scene) -> None:
    """All devices ring; the one that answers is in the record."""
    scene.sign_in(BOB, "b2")
    answers = scene.send("INVITE", body=SDP)
    assert sorted(call.flow for call in scene.outbound.calls) == ["n/b1", "n/b2"]
    scene.outbound.to("n/b2").answers(200, tag="tb")
    assert answers[0].status == 200
    assert scene.outbound.to("n/b1").cancelled == 1
    assert scene.record.user2_endpoint == "instance-b2"


def test_a_gruu_names_one_device(scene: Scene) -> None:
    """An invitation to a GRUU rings at that device only; at a device that left, nobody is reached."""
    (no,) = scene.send("INVITE", uri=f"{BOB};opaque=user:epid:gone;gruu", body=SDP)
    assert no.status == 480


def test_what_the_invited_one_says_before_they_accept_arrives_and_counts(scene: Scene) -> None:
    """A client that accepts late lets its user write before; only whom the invitation went to may do so."""
    invitation = scene.send("INVITE", body=SDP)
    early = scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), body=b"hello?")
    scene.outbound.to("n/a1").answers(200)
    (no,) = scene.send("MESSAGE", by=CAROL, epid="c1", to=ALICE, tags=("tc", "ta"), body=b"me, too")
    scene.outbound.to("n/b1").answers(200, tag="tb")
    assert (early[0].status, no.status, invitation[0].status) == (200, 481, 200)
    assert (scene.record.user1_messages, scene.record.user2_messages, scene.record.response_code) == (0, 1, 200)


def test_a_user_reaches_their_other_devices(scene: Scene) -> None:
    """Writing to oneself reaches the other devices, never the one that writes."""
    scene.sign_in(ALICE, "a2")
    scene.send("INVITE", to=ALICE, body=SDP)
    assert [call.flow for call in scene.outbound.calls] == ["n/a2"]


def test_a_cancelled_invitation_is_recorded_as_such(scene: Scene) -> None:
    """The caller gives up."""
    answers = scene.send("INVITE", body=SDP)
    scene.arrival.cancel()
    assert answers[0].status == 487
    assert (scene.record.end_reason, scene.record.ended_by) == ("cancelled", "user1")


def test_a_device_that_vanished_ends_its_sessions(scene: Scene) -> None:
    """The other side gets a BYE, so that its next message opens a session that can be delivered."""
    scene.talk()
    (endpoint,) = scene.bindings.endpoints_of(BOB)
    scene.bindings.remove(endpoint, EndpointGoneReason.CONNECTION_LOST)
    scene.turn()
    bye = scene.outbound.to("n/a1").request
    assert bye.method == "BYE"
    assert (bye.from_.tag, bye.to.tag) == ("tb", "ta")
    assert (scene.record.end_reason, scene.record.ended_by) == ("connection lost", "user2")
    (no,) = scene.send("MESSAGE", tags=("ta", "tb"), number=2, body=b"anybody?")
    assert no.status == 481


def test_a_stranger_cannot_speak_in_a_session(scene: Scene) -> None:
    """Tags and Call-ID of others give nothing."""
    scene.talk()
    scene.sign_in(CAROL, "c1")
    (no,) = scene.send("MESSAGE", by=CAROL, epid="c1", tags=("ta", "tb"), body=b"hi")
    assert no.status == 481


@pytest.mark.parametrize("method", ["NOTIFY", "BENOTIFY", "INFO", "REFER"])
def test_a_user_cannot_send_another_what_only_a_server_says(scene: Scene, method: str) -> None:
    """Without a session only invitations, messages and questions are passed on; a forged notification is not."""
    (no,) = scene.send(method)
    assert no.status == 405
    assert scene.outbound.calls == []


@pytest.mark.parametrize("method", ["NOTIFY", "BENOTIFY", "REGISTER", "SUBSCRIBE"])
def test_a_session_is_no_way_to_forge_what_a_server_says(scene: Scene, method: str) -> None:
    """Also whoever talks with Bob cannot tell that Bob was signed out."""
    scene.talk()
    calls = len(scene.outbound.calls)
    (no,) = scene.send(method, tags=("ta", "tb"), number=2, more=[("Event", "registration-notify")])
    assert no.status == 405
    assert len(scene.outbound.calls) == calls


def test_what_became_of_a_referral_is_told(scene: Scene) -> None:
    """The one notification that participants send each other is passed on."""
    scene.talk()
    more = [("Event", "refer"), ("Content-Type", "message/sipfrag")]
    scene.send("NOTIFY", tags=("ta", "tb"), number=2, more=more)
    assert scene.outbound.calls[-1].request.method == "NOTIFY"


@pytest.mark.parametrize("diagnostics", ["", ",", ";", "x", "9" * 20])
def test_diagnostics_that_say_nothing_are_no_trouble(scene: Scene, diagnostics: str) -> None:
    """A device may write what it likes into the header that the record takes a number from."""
    answers = scene.send("INVITE", body=SDP)
    scene.outbound.to("n/b1").answers(486, headers=(("ms-diagnostics", diagnostics),))
    assert answers[0].status == 486
    assert scene.record.diagnostic_id is None


def test_a_user_cannot_use_up_the_sessions_of_another(scene: Scene) -> None:
    """The bound counts what a user began: whoever is called by many can still call."""
    scene = Scene(sessions_per_user=1)
    scene.talk()
    answers = scene.send("INVITE", by=BOB, epid="b1", to=ALICE, tags=("tx", ""), body=SDP)
    assert answers == []
    assert scene.outbound.calls[-1].request.from_.tag == "tx"


def test_a_message_without_a_session_is_passed_on_and_recorded(scene: Scene) -> None:
    """An application that opens no session still reaches the user, and the record says so."""
    answers = scene.send("MESSAGE", body=b"page")
    scene.outbound.to("n/b1").answers(200)
    assert answers[0].status == 200
    assert (scene.record.end_reason, scene.record.user1_messages, scene.record.media) == ("single message", 1, "im")


def test_a_question_to_a_user_is_passed_on(scene: Scene) -> None:
    """OPTIONS asks the user's device."""
    answers = scene.send("OPTIONS")
    scene.outbound.to("n/b1").answers(200)
    assert answers[0].status == 200


def test_bye_to_somebody_who_left_is_answered(scene: Scene) -> None:
    """Closing the window works although the other side is gone."""
    scene.talk()
    scene.outbound.gone.add(FlowName("n/b1"))
    (answer,) = scene.send("BYE", tags=("ta", "tb"), number=2)
    assert answer.status == 200
    assert scene.run().rows == []


def test_a_bye_without_a_session_is_481(scene: Scene) -> None:
    """What is over is over."""
    (no,) = scene.send("BYE", tags=("ta", "tb"))
    assert no.status == 481


def test_an_idle_session_ends(scene: Scene) -> None:
    """A session that nobody ended does not stay for ever."""
    scene.talk()
    scene.clock.advance(43200)
    scene.clock.advance(43200)
    assert scene.record.end_reason == "idle"


def test_a_user_has_a_bound_of_sessions() -> None:
    """One user cannot fill the table."""
    scene = Scene(sessions_per_user=1)
    scene.talk()
    (no,) = scene.send("INVITE", body=SDP, tags=("another", ""))
    assert no.status == 503


def test_the_same_dialog_twice_is_a_loop(scene: Scene) -> None:
    """An invitation with the names of one under way is refused."""
    scene.talk()
    (no,) = scene.send("INVITE", body=SDP)
    assert no.status == 482


def test_a_store_that_fails_delays_records_and_stops_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages go on while the disk is full, and the record is written when it is not any more."""
    keep = scene.records.upsert

    async def fail(records: Sequence[CallRecord]) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(scene.records, "upsert", fail)
    scene.talk()
    monkeypatch.setattr(scene.records, "upsert", keep)
    scene.clock.advance(5)
    assert scene.record.answered_at is not None


def test_an_orderly_end_closes_every_record(scene: Scene) -> None:
    """When the server stops, no record stays open."""
    scene.talk()
    result_of(scene.im.close())
    assert scene.record.end_reason == "restart"


def test_an_operator_sees_who_talks(scene: Scene) -> None:
    """`sessions` lists what is under way, and what was."""
    scene.talk()
    (row,) = scene.run("alice@example.test").rows
    assert row[1:3] == ("alice@example.test", "bob@example.test")
    assert row[4] == "talking"
    assert scene.record.ended_at is None
    assert len(scene.run(past="10").rows) == 1
    with pytest.raises(CommandFailed):
        scene.run(past="all")


def test_an_endpoint_that_left_before_it_was_answered_tells_nobody(scene: Scene) -> None:
    """The caller vanishes while it rings: the invitation ends, and no BYE goes to a dialog that never was."""
    scene.send("INVITE", body=SDP)
    (endpoint,) = scene.bindings.endpoints_of(ALICE)
    scene.bus.tell(EndpointGone(ALICE, endpoint.epid, endpoint.flow, EndpointGoneReason.CONNECTION_LOST, last=True))
    scene.turn()
    assert [call.request.method for call in scene.outbound.calls] == ["INVITE"]


def test_a_client_that_looks_for_persistent_chat_leaves_no_record(scene: Scene) -> None:
    """Every sign-in of a real client asks for it; the records of people's sessions stay free of that."""
    (no,) = scene.send("INVITE", to="sip:ocschat@example.test", body=SDP)
    assert (no.status, no.diagnostics.error_id) == (404, 4007)
    scene.clock.advance(2)
    assert not result_of(awaited(scene.records.sessions()))


def test_a_caller_who_signs_out_while_it_rings_gives_up(scene: Scene) -> None:
    """Their invitation stops ringing although their connection stays open."""
    answers = scene.send("INVITE", body=SDP)
    (endpoint,) = scene.bindings.endpoints_of(ALICE)
    scene.bindings.remove(endpoint, EndpointGoneReason.SIGNED_OUT)
    scene.turn()
    assert scene.outbound.to("n/b1").cancelled == 1
    assert answers[0].status == 487
    assert scene.record.ended_by == "user1"


def test_a_repeated_number_does_not_count_back(scene: Scene) -> None:
    """The BYE that the server may have to send has a number higher than any the client used."""
    scene.talk()
    scene.send("INFO", tags=("ta", "tb"), number=9)
    scene.outbound.to("n/b1").answers(200)
    scene.send("INFO", tags=("ta", "tb"), number=4)
    scene.outbound.to("n/b1").answers(200)
    (endpoint,) = scene.bindings.endpoints_of(ALICE)
    scene.bindings.remove(endpoint, EndpointGoneReason.CONNECTION_LOST)
    scene.turn()
    assert scene.outbound.to("n/b1").request.cseq.number == 10


def test_a_record_that_cannot_be_read_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator hears that the store fails, and no traceback."""

    async def fail(*terms: object, **query: object) -> None:
        raise StoreUnavailable("disk gone")

    monkeypatch.setattr(scene.records, "sessions", fail)
    with pytest.raises(CommandFailed, match="disk gone"):
        scene.run(past="5")


def test_completion_offers_who_talks(scene: Scene) -> None:
    """Tab completes the people who are in a session."""
    scene.talk()
    choices = scene.im.offer.commands[0].args[0].choices
    assert choices is not None
    assert choices() == ["alice@example.test", "bob@example.test"]
