"""What is said within dialogs: the record follows, and never leads."""

from dataclasses import replace

import pytest

from lyncpy.contracts.facts import EndpointGoneReason
from lyncpy.contracts.names import Epid
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import Session, Side
from tests.kit.chats import SlowArchive
from tests.kit.holdings import held
from tests.kit.sessions import ALICE, BOB, CAROL, SDP, Scene


@pytest.fixture
def scene() -> Scene:
    """Give Alice and Bob."""
    return Scene()


def _session(scene: Scene) -> Session:
    """Give Alice's invitation, as its table has it."""
    (session,) = scene.im.sessions.all_sessions()
    return session


def test_the_sides_of_a_dialog(scene: Scene) -> None:
    """Before the answer each tag of the callee's is one of their devices; after it, only the one that has accepted."""
    scene.send("INVITE", body=SDP)
    session = _session(scene)
    desk = Side(BOB, Epid("b1"), "t1")
    session = rules.heard_early(session, desk)
    assert rules.sides(session, "ta", "t1") == (session.caller, desk)
    assert rules.sides(session, "t1", "ta") == (desk, session.caller)
    assert rules.sides(session, "ta", "new") == (session.caller, Side(BOB, Epid(""), "new"))
    accepted = replace(session, callee=desk, state=rules.SessionState.ESTABLISHED)
    assert rules.sides(accepted, "ta", "t1") == (session.caller, desk)
    assert rules.sides(accepted, "ta", "t2") is None
    assert rules.sides(accepted, "t2", "ta") is None


def test_early_dialogs_have_a_bound(scene: Scene) -> None:
    """A device that invents tags fills no table; an answered session has none."""
    scene.send("INVITE", body=SDP)
    session = _session(scene)
    for number in range(rules.EARLY_MAXIMUM + 5):
        for _ in range(2):
            session = rules.heard_early(session, Side(BOB, Epid("b1"), f"t{number}"))
    assert len(session.early) == rules.EARLY_MAXIMUM
    assert (
        rules.heard_early(
            replace(session, early=(), state=rules.SessionState.ESTABLISHED), Side(BOB, Epid("b1"), "t")
        ).early
        == ()
    )


def test_sequence_numbers_of_early_dialogs_count(scene: Scene) -> None:
    """A BYE that the server writes later, for a device that is gone, must have a number that is new."""
    scene.send("INVITE", body=SDP)
    scene.outbound.to("n/b1").rings(183, tag="tb")
    scene.send("UPDATE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), number=7)
    scene.outbound.to("n/a1").answers(200)
    next(call for call in scene.outbound.calls if call.request.method == "INVITE").answers(200, tag="tb")
    (endpoint,) = scene.bindings.endpoints_of(BOB)
    scene.bindings.remove(endpoint, EndpointGoneReason.CONNECTION_LOST)
    scene.turn()
    bye = scene.outbound.to("n/a1").request
    assert (bye.method, bye.cseq.number) == ("BYE", 8)


@pytest.mark.parametrize("method", ["PRACK", "UPDATE", "INFO"])
def test_an_early_dialog_with_a_tag_that_nobody_told_goes_by_its_address(scene: Scene, method: str) -> None:
    """The GRUU or the Contact in the Request-URI names the device."""
    answers = scene.send("INVITE", body=SDP)
    (bob,) = scene.bindings.endpoints_of(BOB)
    for uri in (bob.gruu, bob.contact):
        scene.send(method, uri=uri, tags=("ta", "unheard"), number=2)
        call = scene.outbound.to("n/b1")
        assert (call.request.method, call.request.uri) == (method, bob.contact)
    assert answers == []
    (no,) = scene.send(method, uri=BOB, tags=("ta", "unheard"), number=3)
    assert no.status == 481
    assert scene.count("sessions") == 1


def test_a_bye_that_crosses_the_answer_ends_the_session_it_means(scene: Scene) -> None:
    """The caller gave up without having seen the answer, so the BYE has no To tag: the callee gets their own."""
    scene.send("INVITE", body=SDP)
    scene.outbound.to("n/b1").answers(200, tag="tb")
    bye = scene.send("BYE", tags=("ta", ""), number=2)
    sent = scene.outbound.to("n/b1")
    assert (sent.request.method, sent.request.to.tag) == ("BYE", "tb")
    sent.answers(200)
    assert bye[0].status == 200
    assert (scene.record.ended_by, scene.record.end_reason) == ("user1", "bye")
    (no,) = scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), body=b"hello?")
    assert no.status == 481


def test_a_bye_without_a_tag_is_the_caller_s_alone(scene: Scene) -> None:
    """Neither the callee nor a stranger ends a session by it."""
    scene.talk()
    scene.sign_in(CAROL, "c1")
    for by, epid in ((CAROL, "c1"), (BOB, "b1")):
        (no,) = scene.send("BYE", by=by, epid=epid, to=ALICE, tags=("ta", ""), number=2)
        assert no.status == 481
    assert scene.count("sessions") == 1


def _cross(scene: Scene) -> None:
    """Have both invite the other in the same moment."""
    scene.send("INVITE", body=SDP)
    scene.send("INVITE", by=BOB, epid="b1", to=ALICE, tags=("tx", ""), call_id="c2", body=SDP)


def test_invitations_that_cross_both_stand(scene: Scene) -> None:
    """Each client gives up its own in favour of the other's; were both taken at their word, nothing would be left."""
    _cross(scene)
    for by, epid, to, tag, call_id in ((BOB, "b1", ALICE, "tx", "c2"), (ALICE, "a1", BOB, "ta", "c1")):
        (answer,) = scene.send("BYE", by=by, epid=epid, to=to, tags=(tag, ""), number=2, call_id=call_id)
        assert answer.status == 200
    assert [call.cancelled for call in scene.outbound.calls] == [0, 0]
    scene.outbound.to("n/a1").answers(200, tag="ty")
    scene.outbound.to("n/b1").answers(200, tag="tb")
    scene.send("MESSAGE", tags=("ty", "tx"), call_id="c2", body=b"in Bob's")
    scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), body=b"in Alice's")
    assert [call.request.body for call in scene.outbound.calls[-2:]] == [b"in Bob's", b"in Alice's"]


def test_a_bye_that_crosses_nothing_gives_up(scene: Scene) -> None:
    """An older session between the two, another medium, or a crossing invitation that is over: it rings no more."""
    scene.talk()
    scene.send("INVITE", by=BOB, epid="b1", to=ALICE, tags=("tx", ""), call_id="c2", body=SDP)
    scene.send("BYE", by=BOB, epid="b1", to=ALICE, tags=("tx", ""), call_id="c2", number=2)
    assert scene.outbound.to("n/a1").cancelled == 1
    scene.send("BYE", tags=("ta", "tb"), number=2)
    scene.outbound.to("n/b1").answers(200)
    sharing = b"v=0\r\nm=applicationsharing 5000 RTP/AVP 0\r\n"
    scene.send("INVITE", tags=("tc", ""), body=SDP, call_id="c3")
    scene.send("INVITE", by=BOB, epid="b1", to=ALICE, tags=("td", ""), call_id="c4", body=sharing)
    scene.send("BYE", by=BOB, epid="b1", to=ALICE, tags=("td", ""), call_id="c4", number=2)
    assert scene.outbound.to("n/a1").cancelled == 1
    scene.send("INVITE", by=BOB, epid="b1", to=ALICE, tags=("te", ""), call_id="c5", body=SDP)
    scene.outbound.to("n/b1").answers(486)
    scene.send("BYE", by=BOB, epid="b1", to=ALICE, tags=("te", ""), call_id="c5", number=2)
    assert scene.outbound.to("n/a1").cancelled == 1
    assert scene.count("sessions") == 0
    assert sum(held(scene.im.sessions).values()) <= 1  # that the last dialog is over, for a while


def test_tags_that_a_client_has_mixed_up_find_their_session(scene: Scene) -> None:
    """After a crossing, a real client goes on with the tags of one dialog and the Call-ID of the other.

    The other client hears it in the dialog whose tags these are; the answer comes back under the Call-ID that was used.
    """
    _cross(scene)
    scene.outbound.to("n/a1").answers(200, tag="ty")
    scene.outbound.to("n/b1").answers(200, tag="tb")
    (alice,), (bob,) = scene.bindings.endpoints_of(ALICE), scene.bindings.endpoints_of(BOB)
    scene.send("ACK", uri=bob.gruu, tags=("ta", "tb"), call_id="c2")
    assert scene.outbound.told[-1][1].call_id == "c1"
    mine = scene.send("MESSAGE", uri=bob.gruu, tags=("ta", "tb"), call_id="c2", number=2, body=b"one")
    assert scene.outbound.to("n/b1").request.call_id == "c1"
    scene.outbound.to("n/b1").answers(200)
    theirs = scene.send(
        "MESSAGE", by=BOB, epid="b1", to=ALICE, uri=alice.gruu, tags=("tx", "ty"), number=2, body=b"two"
    )
    scene.outbound.to("n/a1").answers(200)
    assert [(one[0].status, one[0].call_id) for one in (mine, theirs)] == [(200, "c2"), (200, "c1")]
    assert scene.count("sessions") == 2
    counts = {one.call_id: (one.user1_messages, one.user2_messages) for one in scene.all_records()}
    assert counts == {"c1": (1, 0), "c2": (1, 0)}
    bye = scene.send("BYE", uri=bob.gruu, tags=("ta", "tb"), call_id="c2", number=9)
    scene.outbound.to("n/b1").answers(200)
    assert bye[0].status == 200
    assert [one.call_id for one in scene.all_records() if one.ended_at is not None] == ["c1"]


def test_mixed_up_tags_are_of_no_use_to_a_stranger(scene: Scene) -> None:
    """Carol has overheard the tags: whatever Call-ID stands beside them, Carol has no part in that dialog."""
    scene.talk()
    scene.sign_in(CAROL, "c1")
    (bob,) = scene.bindings.endpoints_of(BOB)
    scene.send("INFO", by=CAROL, epid="c1", uri=bob.gruu, tags=("ta", "tb"), call_id="other", number=2)
    sent = scene.outbound.to("n/b1").request
    assert (sent.method, sent.call_id, sent.from_.uri) == ("INFO", "other", CAROL)


def test_a_crossing_invitation_stands_when_the_other_one_is_cancelled(scene: Scene) -> None:
    """Alice's client gives up its own by CANCEL, and Bob's gives up its own by BYE: Bob's is the one that Alice accepts."""
    scene.send("INVITE", body=SDP)
    alice_gives_up = scene.arrival.cancel
    scene.send("INVITE", by=BOB, epid="b1", to=ALICE, tags=("tx", ""), call_id="c2", body=SDP)
    hers = scene.outbound.to("n/b1")
    alice_gives_up()
    (answer,) = scene.send("BYE", by=BOB, epid="b1", to=ALICE, tags=("tx", ""), number=2, call_id="c2")
    assert answer.status == 200
    assert hers.cancelled == 1
    assert scene.outbound.to("n/a1").cancelled == 0
    scene.outbound.to("n/a1").answers(200, tag="ty")
    (session,) = scene.im.sessions.all_sessions()
    assert (session.caller.aor, session.answered) == (BOB, True)


def test_a_forgotten_dialog_goes_on_where_its_address_leads(scene: Scene) -> None:
    """Its record begins anew with what is said; what is not counted begins none."""
    (alice,), (bob,) = scene.bindings.endpoints_of(ALICE), scene.bindings.endpoints_of(BOB)
    for method in ("INFO", "UPDATE", "ACK", "BYE"):
        scene.send(method, uri=bob.gruu, tags=("old", "older"), number=4)
        assert scene.count("sessions") == 0
    assert [request.method for _, request in scene.outbound.told] == ["ACK"]
    scene.send("MESSAGE", uri=bob.contact, tags=("old", "older"), number=5, body=b"on")
    scene.outbound.to("n/b1").answers(200)
    scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, uri=alice.gruu, tags=("older", "old"), body=b"and on")
    scene.outbound.to("n/a1").answers(200)
    record = scene.record
    assert (record.user1, record.user2, record.user2_endpoint) == (ALICE, BOB, "instance-b1")
    assert (record.user1_messages, record.user2_messages, record.response_code) == (1, 1, 200)


def test_a_forgotten_dialog_goes_on_though_its_user_has_no_more_records() -> None:
    """The bound is of records; the dialog is the clients'."""
    scene = Scene(sessions_per_user=1)
    scene.talk()
    (bob,) = scene.bindings.endpoints_of(BOB)
    answer = scene.send("MESSAGE", uri=bob.gruu, tags=("old", "older"), call_id="c9", number=5, body=b"on")
    scene.outbound.to("n/b1").answers(200)
    assert answer[0].status == 200
    assert scene.count("sessions") == 1


def test_a_forgotten_dialog_is_refused_where_its_address_leads_nowhere(scene: Scene) -> None:
    """No device, one that is gone, one's own, and one whose user has blocked the sender: all the same answer."""
    (alice,), (bob,) = scene.bindings.endpoints_of(ALICE), scene.bindings.endpoints_of(BOB)
    scene.privacy.pairs.add((BOB, ALICE))
    for uri in (BOB, f"{BOB};opaque=user:epid:gone;gruu", "sip:10.0.0.9:5", alice.gruu, bob.gruu):
        (no,) = scene.send("INFO", uri=uri, tags=("old", "older"), number=4)
        assert (no.status, no.diagnostics.error_id) == (481, 1004)
    assert scene.outbound.calls == []


def test_what_is_known_to_be_over_is_bounded_and_ends(scene: Scene) -> None:
    """For 64*T1 a dialog that had a BYE is refused here; later its clients have to know."""
    scene.talk()
    (bob,) = scene.bindings.endpoints_of(BOB)
    scene.send("BYE", tags=("ta", "tb"), number=3)
    scene.outbound.to("n/b1").answers(200)
    (no,) = scene.send("INFO", uri=bob.gruu, tags=("ta", "tb"), number=4)
    assert no.status == 481
    scene.clock.advance(33)
    assert scene.send("INFO", uri=bob.gruu, tags=("ta", "tb"), number=5) == []
    small = Scene(sessions_total=2)
    for number in range(5):
        small.send("INVITE", body=SDP, call_id=f"c{number}")
        small.outbound.to("n/b1").answers(200, tag="tb")
        small.send("BYE", tags=("ta", "tb"), call_id=f"c{number}", number=2)
        small.outbound.to("n/b1").answers(200)
    assert max(held(small.im.sessions).values()) <= 2


def test_a_contact_that_is_no_name_of_ours_leads_to_the_device_that_wrote_it(scene: Scene) -> None:
    """A client may write what it likes into its Contact; the record knows whose dialog it is."""
    scene.talk()
    for uri in (f"{BOB};opaque=user:epid:its-own;gruu", "sip:bob@10.0.0.9:5060;transport=tls"):
        scene.send("INFO", uri=uri, tags=("ta", "tb"), number=3)
        assert scene.outbound.calls[-1].request.method == "INFO"
        assert scene.outbound.calls[-1].flow == "n/b1"
        scene.outbound.calls.clear()


def test_a_request_to_a_device_that_has_just_left_is_refused_and_ends_nothing(scene: Scene) -> None:
    """Whether a session is over is told by its users, or by the device's own leaving."""
    scene.talk()
    session = _session(scene)
    (endpoint,) = scene.bindings.endpoints_of(BOB)
    scene.bindings.remove(endpoint, EndpointGoneReason.CONNECTION_LOST)
    (no,) = scene.send("INFO", tags=("ta", "tb"), number=3)
    assert no.status == 481
    assert scene.im.sessions.current(session) is not None


@pytest.mark.parametrize("is_known", [True, False])
def test_a_route_to_somebody_else_contradicts_the_dialog(scene: Scene, is_known: bool) -> None:
    """What names Carol on the way to Bob is not passed to either; a server's name, and Bob's own, are."""
    if is_known:
        scene.talk()
    (bob,) = scene.bindings.endpoints_of(BOB)
    calls = len(scene.outbound.calls)
    for route in (f"<{CAROL};lr>", f"<sip:sip.example.test;lr>, <{CAROL};opaque=user:epid:x;gruu>"):
        (no,) = scene.send("INFO", uri=bob.gruu, tags=("ta", "tb"), number=3, more=[("Route", route)])
        assert no.status == 481
    assert len(scene.outbound.calls) == calls
    for route in ("<sip:sip.example.test:5061;lr>", f"<sip:10.0.0.9;lr>,<{bob.gruu}>"):
        assert scene.send("INFO", uri=bob.gruu, tags=("ta", "tb"), number=3, more=[("Route", route)]) == []


def test_what_is_said_in_a_forgotten_dialog_is_archived() -> None:
    """Nobody gets around the archive by a dialog of which there is no record, nor by a text in a re-INVITE."""
    archive = SlowArchive()
    scene = Scene(archive=archive)
    (bob,) = scene.bindings.endpoints_of(BOB)
    scene.send("MESSAGE", uri=bob.gruu, tags=("old", "older"), number=5, body=b"psst")
    text = [("ms-text-format", "text/plain;ms-body=cHNzdCE=")]
    scene.send("INVITE", uri=bob.gruu, tags=("old", "older"), number=6, body=SDP, more=text)
    assert archive.words() == ["psst", "psst!"]
