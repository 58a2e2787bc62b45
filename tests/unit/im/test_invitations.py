"""Invitations to conferences: short, recorded as what they are, and for groups one for each member."""

from collections.abc import Sequence
from typing import Any

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Refused
from tests.kit.outbound import FakeCall
from tests.kit.sessions import ALICE, BOB, CAROL, SDP, Members, Scene

TYPE = "application/ms-conf-invite+xml"
BODY = b'<Conferencing version="2.0"><focus-uri>sip:f</focus-uri><subject/><im available="true"><first-im/></im></Conferencing>'
TEAM = Aor("sip:team@example.test")


@pytest.fixture
def scene() -> Scene:
    """Give Alice and Bob."""
    return Scene()


def _invites(scene: Scene, to: str = BOB, **how: Any) -> list[Any]:
    return scene.send("INVITE", to=to, body=BODY, content_type=TYPE, **how)


def _group(*members: Aor, **settings: Any) -> Scene:
    return Scene(members=Members(TEAM, *members), **settings)


def _invited(scene: Scene) -> list[FakeCall]:
    return [call for call in scene.outbound.calls if call.request.method == "INVITE"]


def test_an_invitation_is_over_with_its_answer(scene: Scene) -> None:
    """It is passed on as it is, with its Ms-Conversation-ID; no session begins, and its record says what it was."""
    answers = _invites(scene)
    request = scene.outbound.to("n/b1").request
    assert (request.body, request.headers.get("Ms-Conversation-ID")) == (BODY, "conv")
    scene.outbound.to("n/b1").answers(200, tag="tb")
    assert answers[0].status == 200
    assert scene.run().rows == []
    record = scene.record
    assert (record.end_reason, record.response_code, record.media) == ("conference invitation", 200, "")
    assert (record.user2_endpoint, record.ended_at) == ("instance-b1", record.answered_at)


def test_its_acknowledgement_finds_the_device(scene: Scene) -> None:
    """The ACK goes to who accepted, and after half a minute nothing is left."""
    _invites(scene)
    scene.outbound.to("n/b1").answers(200, tag="tb")
    scene.send("ACK", tags=("ta", "tb"))
    assert [(flow, request.method) for flow, request in scene.outbound.told] == [("n/b1", "ACK")]
    scene.clock.advance(40)
    assert scene.count("invitations") == 0
    (no,) = scene.send("ACK", tags=("ta", "tb"))
    assert no.status == 481


def test_a_client_may_end_it_with_bye(scene: Scene) -> None:
    """Other clients than pidgin-sipe do; it is passed on once."""
    _invites(scene)
    scene.outbound.to("n/b1").answers(200, tag="tb")
    answers = scene.send("BYE", tags=("ta", "tb"), number=2)
    scene.outbound.to("n/b1").answers(200)
    assert answers[0].status == 200
    assert scene.outbound.to("n/b1").request.method == "BYE"
    (no,) = scene.send("BYE", tags=("ta", "tb"), number=3)
    assert no.status == 481


def test_each_invitation_lingers_from_its_own_answer(scene: Scene) -> None:
    """One that repeats the Call-ID of an earlier one, which a BYE has ended, is not forgotten with that."""
    _invites(scene)
    scene.outbound.to("n/b1").answers(200, tag="tb")
    scene.send("BYE", tags=("ta", "tb"), number=2)
    scene.outbound.to("n/b1").answers(200)
    scene.clock.advance(20)
    _invites(scene, number=3)
    scene.outbound.to("n/b1").answers(200, tag="tc")
    scene.clock.advance(20)
    scene.send("ACK", tags=("ta", "tc"), number=3)
    assert [(flow, request.method) for flow, request in scene.outbound.told] == [("n/b1", "ACK")]
    scene.clock.advance(20)
    (no,) = scene.send("ACK", tags=("ta", "tc"), number=3)
    assert no.status == 481


def test_a_bye_for_who_has_gone_is_answered(scene: Scene) -> None:
    """Nothing is left to be ended."""
    _invites(scene)
    scene.outbound.to("n/b1").answers(200, tag="tb")
    scene.outbound.gone.add("n/b1")  # type: ignore[arg-type]  # a flow's name
    (answer,) = scene.send("BYE", tags=("ta", "tb"), number=2)
    assert answer.status == 200


def test_nobody_else_speaks_in_it(scene: Scene) -> None:
    """Names of an invitation that somebody else has learned are of no use."""
    _invites(scene)
    scene.outbound.to("n/b1").answers(200, tag="tb")
    (no,) = scene.send("BYE", by=CAROL, epid="c1", tags=("ta", "tb"), number=2)
    assert no.status == 481
    (no,) = scene.send("BYE", tags=("ta", "other"), number=2)
    assert no.status == 481


def test_every_device_is_asked_and_late_ones_are_ended(scene: Scene) -> None:
    """All accept by themselves: the first is the answer, who accepts after the CANCEL gets ACK and BYE."""
    scene.sign_in(BOB, "b2")
    answers = _invites(scene)
    first, second = scene.outbound.to("n/b1"), scene.outbound.to("n/b2")
    first.answers(200, tag="tb")
    assert answers[0].status == 200
    assert second.cancelled == 1
    second.answers(200, tag="tb2")
    assert [(flow, request.method) for flow, request in scene.outbound.told] == [("n/b2", "ACK")]
    assert scene.outbound.to("n/b2").request.method == "BYE"
    assert scene.record.user2_endpoint == "instance-b1"


def test_a_refusal_is_passed_on_and_recorded(scene: Scene) -> None:
    """415 tells the inviter's client that it is an old one."""
    answers = _invites(scene)
    scene.outbound.to("n/b1").answers(415)
    assert answers[0].status == 415
    assert (scene.record.end_reason, scene.record.response_code) == ("rejected", 415)
    assert scene.count("invitations") == 0


def test_who_is_offline_cannot_be_invited(scene: Scene) -> None:
    """480, and a record of the try."""
    (no,) = _invites(scene, CAROL)
    assert no.status == 480
    assert scene.record.response_code == 480
    assert scene.count("invitations") == 0


def test_the_inviter_gives_up(scene: Scene) -> None:
    """BYE before the answer ends it, as in any call."""
    answers = _invites(scene)
    scene.send("BYE", number=2)
    assert scene.outbound.to("n/b1").cancelled == 1
    assert answers[0].status == 487


def test_invitations_have_bounds() -> None:
    """As many as sessions; and one name is there once."""
    scene = Scene(sessions_per_user=2)
    _invites(scene)
    (twice,) = _invites(scene)
    assert twice.status == 482
    scene.outbound.to("n/b1").answers(200, tag="tb")
    (again,) = _invites(scene)
    assert again.status == 482
    _invites(scene, call_id="c2")
    (no,) = _invites(scene, call_id="c3")
    assert no.status == 503


# --- groups


def test_a_group_is_invited_by_its_members() -> None:
    """Each gets an INVITE of their own in the inviter's name; the first who accepts is the answer."""
    scene = _group(ALICE, BOB, CAROL)
    scene.sign_in(CAROL, "c1")
    answers = _invites(scene, TEAM)
    requests = [call.request for call in _invited(scene)]
    assert [request.uri for request in requests] == ["sip:127.0.0.1:1;x=b1", "sip:127.0.0.1:1;x=c1"]
    assert [request.to.uri for request in requests] == [BOB, CAROL]
    assert {request.from_.uri for request in requests} == {ALICE}
    assert len({request.call_id for request in requests} | {"c1"}) == 3
    assert {request.body for request in requests} == {BODY}
    assert {request.headers.get("Ms-Conversation-ID") for request in requests} == {"conv"}
    assert answers == []
    scene.outbound.to("n/c1").answers(200, tag="tc")
    scene.turn()
    assert answers[0].status == 200
    assert scene.outbound.to("n/b1").cancelled == 0


def test_a_member_who_accepts_is_acknowledged_by_the_server() -> None:
    """The inviter's client knows one dialog; the members' are completed and ended here."""
    scene = _group(BOB, CAROL)
    scene.sign_in(CAROL, "c1")
    _invites(scene, TEAM)
    bob, carol = _invited(scene)
    bob.answers(200, tag="tb")
    carol.answers(200, tag="tc")
    scene.turn()
    told = [(flow, request.method, request.to.tag) for flow, request in scene.outbound.told]
    assert told == [("n/b1", "ACK", "tb"), ("n/c1", "ACK", "tc")]
    byes = [(call.flow, call.request.cseq.number) for call in scene.outbound.calls if call.request.method == "BYE"]
    assert byes == [("n/b1", 2), ("n/c1", 2)]
    assert {record.user2 for record in scene.all_records()} == {BOB, CAROL}


def test_the_inviter_s_own_dialog_with_a_group_is_over_with_its_answer() -> None:
    """Their ACK and their BYE are taken, and reach nobody."""
    scene = _group(BOB)
    answers = _invites(scene, TEAM)
    scene.outbound.to("n/b1").answers(200, tag="tb")
    scene.turn()
    tag = answers[0].to.tag
    told = len(scene.outbound.told)
    scene.send("ACK", to=TEAM, tags=("ta", tag))
    (bye,) = scene.send("BYE", to=TEAM, tags=("ta", tag), number=2)
    assert bye.status == 200
    assert len(scene.outbound.told) == told


@pytest.mark.parametrize(
    ("answers", "status"), [([486, 480], 486), ([480, 408], 480), ([603, 486], 603), ([415, 415], 415)]
)
def test_a_group_of_which_nobody_accepts(answers: Sequence[int], status: int) -> None:
    """The most telling refusal is the answer, and it comes when the last has refused."""
    scene = _group(BOB, CAROL)
    scene.sign_in(CAROL, "c1")
    results = _invites(scene, TEAM)
    for call, one in zip(_invited(scene), answers, strict=True):
        assert results == []
        call.answers(one)
        scene.turn()
    assert results[0].status == status


def test_a_group_of_which_nobody_can_be_reached() -> None:
    """It exists; its members are offline."""
    scene = _group(CAROL, Aor("sip:nobody@example.test"))
    (no,) = _invites(scene, TEAM)
    assert no.status == 480
    scene = _group(ALICE)
    (no,) = _invites(scene, TEAM)
    assert no.status == 480


def test_a_group_has_a_limit() -> None:
    """Rather nobody than some: the inviter is told that the group is too large."""
    scene = _group(BOB, CAROL, group_members=1)
    (no,) = _invites(scene, TEAM)
    assert isinstance(no, Refused)
    assert (no.status, no.diagnostics and no.diagnostics.error_id) == (403, 4008)
    assert scene.outbound.calls == []


def test_an_invitation_to_a_group_is_given_up() -> None:
    """The members stop being asked."""
    scene = _group(BOB, CAROL)
    scene.sign_in(CAROL, "c1")
    answers = _invites(scene, TEAM)
    scene.send("BYE", to=TEAM, number=2)
    scene.turn()
    assert [call.cancelled for call in _invited(scene)] == [1, 1]
    assert answers[0].status == 487


def test_a_group_gets_no_session() -> None:
    """Only invitations to conferences are for groups: a session is between two."""
    scene = _group(BOB)
    (no,) = scene.send("INVITE", to=TEAM, body=SDP)
    assert no.status == 404
