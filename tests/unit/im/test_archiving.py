"""What two people say goes to the archive first, where policy demands it."""

import base64
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from lyncpy.contracts.archive import ConversationEvent, EntryKind
from lyncpy.contracts.facts import PersonChanged, PoliciesChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Refused
from lyncpy.core.tasks import Task
from lyncpy.workloads.im.archiving import Archiving
from tests.kit.chats import SlowArchive
from tests.kit.sessions import ALICE, BOB, CAROL, SDP, Scene


@pytest.fixture
def archive() -> SlowArchive:
    """Give an empty archive."""
    return SlowArchive()


@pytest.fixture
def scene(archive: SlowArchive) -> Scene:
    """Give Alice and Bob, who are archived."""
    return Scene(archive=archive)


def _says(scene: Scene, text: bytes, number: int = 2, **how: Any) -> list[Any]:
    return scene.send("MESSAGE", tags=("ta", "tb"), number=number, body=text, **how)


def _text(words: str) -> tuple[str, str]:
    encoded = base64.b64encode(words.encode()).decode()
    return "ms-text-format", f"text/plain; charset=UTF-8;msgr=WAAt;ms-body={encoded}"


def test_a_message_is_kept_before_it_is_passed_on(scene: Scene, archive: SlowArchive) -> None:
    """Whole, with who, to whom, when, and in which conversation."""
    scene.talk()
    archive.is_prompt = False
    answers = _says(scene, b"hello")
    assert [call.request.method for call in scene.outbound.calls] == ["INVITE"]
    archive.catches_up()
    scene.turn()
    scene.outbound.to("n/b1").answers(200)
    assert answers[0].status == 200
    (said,) = archive.kept
    assert (said.sender, said.recipients, said.body, said.content_type) == (ALICE, (BOB,), b"hello", "text/plain")
    assert (said.conversation, said.message_id, said.kind, said.conference) == ("conv", "ta-2", "message", False)


def test_a_second_message_does_not_overtake_the_first(scene: Scene, archive: SlowArchive) -> None:
    """Order holds while the archive is slow, also where the second needs no archive; and the other side is not slowed."""
    scene.talk()
    archive.is_prompt = False
    _says(scene, b"one")
    archive.is_wanted = False
    scene.tells(PoliciesChanged())
    _says(scene, b"two", 3)
    scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), body=b"back")
    assert [call.request.body for call in scene.outbound.calls[1:]] == [b"back"]
    archive.catches_up()
    scene.turn()
    assert [call.request.body for call in scene.outbound.calls[1:]] == [b"back", b"one", b"two"]


def test_messages_of_one_sender_wait_for_the_archive_together(scene: Scene, archive: SlowArchive) -> None:
    """So that they share a commit; they are passed on in order all the same, and who waits behind them is passed on last."""
    scene.talk()
    archive.is_prompt = False
    for number, text in enumerate((b"one", b"two", b"three"), 2):
        _says(scene, text, number)
    archive.is_wanted = False
    scene.tells(PoliciesChanged())
    for number in range(5, 505):
        _says(scene, b"%d" % number, number)
    assert [said.body for said, _ in archive.waiting] == [b"one", b"two", b"three"]
    archive.catches_up()
    scene.turn()
    assert [call.request.body for call in scene.outbound.calls[1:]] == [b"one"]
    archive.catches_up()
    archive.catches_up()
    for _ in range(500):
        scene.turn()
    said = [call.request.body for call in scene.outbound.calls[1:]]
    assert said == [b"one", b"two", b"three", *(b"%d" % number for number in range(5, 505))]
    assert scene.count("archiving") == 0


def test_a_message_that_is_refused_lets_none_overtake_those_before_it(scene: Scene, archive: SlowArchive) -> None:
    """Whether another of its sender comes behind it or not, and whether that is refused or not."""
    scene.talk()
    archive.is_prompt = False
    _says(scene, b"one")
    archive.refuses = True
    for number in (3, 4):
        assert _says(scene, b"refused", number)[0].status == 503
    archive.is_wanted = False
    scene.tells(PoliciesChanged())
    _says(scene, b"two", 5)
    assert [call.request.body for call in scene.outbound.calls[1:]] == []
    archive.catches_up()
    for _ in range(3):
        scene.turn()
    assert [call.request.body for call in scene.outbound.calls[1:]] == [b"one", b"two"]
    assert scene.count("archiving") == 0


@pytest.mark.parametrize("comes", [True, False])
def test_one_that_waited_and_is_refused_lets_the_next_go_when_it_is_their_turn(
    scene: Scene, archive: SlowArchive, comes: bool
) -> None:
    """The archive may answer them in another order when it has trouble: one has to be noted as missing, the next is written."""
    scene.talk()
    archive.is_prompt = False
    said = (b"one", b"two", b"three") if comes else (b"one", b"two")
    for number, text in enumerate(said, 2):
        _says(scene, text, number)
    (_, first), (_, second), *others = archive.waiting
    second.errback(Refused(503))
    for _, other in others:
        other.callback(None)
    scene.turn()
    assert scene.outbound.calls[1:] == []
    first.callback(None)
    for _ in range(3):
        scene.turn()
    assert [call.request.body for call in scene.outbound.calls[1:]] == [text for text in said if text != b"two"]
    assert scene.count("archiving") == 0


def test_what_cannot_be_kept_is_not_passed_on(scene: Scene, archive: SlowArchive) -> None:
    """Critical mode: the sender is told, the receiver gets nothing, and the record counts a failure."""
    scene.talk()
    archive.refuses = True
    (no,) = _says(scene, b"hello")
    assert no.status == 503
    assert [call.request.method for call in scene.outbound.calls] == ["INVITE"]
    assert scene.record.messages_failed == 1


def test_an_invitation_with_a_text_that_cannot_be_kept_is_refused(scene: Scene, archive: SlowArchive) -> None:
    """The first text is held to the same."""
    archive.refuses = True
    (no,) = scene.send("INVITE", body=SDP, more=[_text("hi")])
    assert no.status == 503
    assert scene.outbound.calls == []
    assert scene.run().rows == []


def test_what_was_not_delivered_is_noted(scene: Scene, archive: SlowArchive) -> None:
    """The archive says so about the message that it has."""
    scene.talk()
    _says(scene, b"hello")
    scene.outbound.to("n/b1").answers(480)
    scene.turn()
    assert [(said.kind, said.message_id, said.recipients, said.body) for said in archive.kept] == [
        ("message", "ta-2", (BOB,), b"hello"),
        ("undelivered", "ta-2", (BOB,), b""),
    ]


@pytest.mark.parametrize(
    ("status", "supported", "kinds"),
    [
        (200, "ms-text-format", ["message"]),
        (200, "ms-embedded-first-message, timer", ["message"]),
        (200, "ms-sender", ["message", "undelivered"]),
        (486, "", ["message", "undelivered"]),
    ],
)
def test_the_text_in_an_invitation_is_kept(
    scene: Scene, archive: SlowArchive, status: int, supported: str, kinds: list[str]
) -> None:
    """Unless the answer says that it was taken, it was not: then it comes again as a message."""
    scene.send("INVITE", body=SDP, more=[_text("hi")])
    scene.outbound.to("n/b1").answers(status, tag="tb", headers=(("Supported", supported),))
    scene.turn()
    assert [said.kind for said in archive.kept] == kinds
    assert archive.words() == ["hi"]
    assert archive.kept[0].content_type == "text/plain;charset=UTF-8;msgr=WAAt"


def test_an_invitation_without_a_text_is_not_kept(scene: Scene, archive: SlowArchive) -> None:
    """There is nothing said in it."""
    scene.talk()
    assert archive.kept == []


def test_a_message_without_a_session_is_kept(scene: Scene, archive: SlowArchive) -> None:
    """Delivered or not."""
    scene.send("MESSAGE", body=b"page")
    scene.outbound.to("n/b1").answers(405)
    scene.turn()
    assert [said.kind for said in archive.kept] == ["message", "undelivered"]


def test_what_is_said_before_the_answer_is_kept(scene: Scene, archive: SlowArchive) -> None:
    """The invited one may write before they accept."""
    scene.send("INVITE", body=SDP)
    scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), body=b"early")
    scene.outbound.to("n/a1").answers(200)
    assert [(said.sender, said.recipients, said.body) for said in archive.kept] == [(BOB, (ALICE,), b"early")]


def test_typing_is_not_kept(scene: Scene, archive: SlowArchive) -> None:
    """Signs of typing that come as messages are no text."""
    scene.talk()
    _says(scene, b"<isComposing/>", content_type="application/im-iscomposing+xml")
    assert archive.kept == []


def test_policy_is_asked_about_both(scene: Scene, archive: SlowArchive) -> None:
    """And told whether one of them is from outside."""
    scene.send("MESSAGE", body=b"page")
    scene.send("MESSAGE", to=CAROL, body=b"page")
    assert archive.asked == [(frozenset({ALICE, BOB}), False)]
    archive.is_wanted = False
    scene.send("MESSAGE", body=b"page", number=2)
    assert len(archive.kept) == 1


def test_a_message_that_is_given_up_while_it_waits_leaves_the_line(scene: Scene, archive: SlowArchive) -> None:
    """Nothing stays behind."""
    scene.talk()
    archive.is_prompt = False
    _says(scene, b"one")
    archive.catches_up()
    scene.turn()
    scene.outbound.to("n/b1").answers(200)
    assert scene.count("archiving") == 0


def _answered(scene: Scene, status: int = 200) -> None:
    scene.outbound.calls[-1].answers(status)
    scene.turn()


def test_policy_is_asked_once_for_a_session(scene: Scene, archive: SlowArchive) -> None:
    """However much is said in it, by either side, and whatever else happens in it."""
    scene.talk()
    for number in range(2, 7):
        _says(scene, b"one", number)
        _answered(scene)
        scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), number=number, body=b"back")
        _answered(scene, 480)
    scene.send("INVITE", tags=("ta", "tb"), number=7, body=SDP)
    _answered(scene)
    assert archive.asked == [(frozenset({ALICE, BOB}), False)]
    assert len(archive.words()) == 10
    scene.send("INVITE", by=BOB, epid="b1", to=ALICE, tags=("tx", ""), body=SDP)
    assert len(archive.asked) == 2


def test_policy_is_asked_once_before_anybody_has_accepted(scene: Scene, archive: SlowArchive) -> None:
    """What is said early, and after the answer, belongs to the same session."""
    scene.send("INVITE", body=SDP, more=[_text("hi")])
    invitation = scene.outbound.to("n/b1")
    scene.send("MESSAGE", by=BOB, epid="b1", to=ALICE, tags=("tb", "ta"), body=b"early")
    _answered(scene)
    invitation.answers(200, tag="tb")
    scene.send("ACK", tags=("ta", "tb"))
    _says(scene, b"and now")
    assert len(archive.asked) == 1
    assert archive.words() == ["hi", "early", "and now"]


def test_policy_is_asked_once_in_a_dialog_that_was_forgotten(scene: Scene, archive: SlowArchive) -> None:
    """A session whose record began anew keeps the answer as any other does."""
    (bob,) = scene.bindings.endpoints_of(BOB)
    for number in (5, 6, 7):
        scene.send("MESSAGE", uri=bob.gruu, tags=("old", "older"), number=number, body=b"psst")
        _answered(scene)
    assert len(archive.asked) == 1


def test_a_changed_policy_is_followed_by_the_next_message(scene: Scene, archive: SlowArchive) -> None:
    """Of a session under way, in both directions; each of two sessions asks once again."""
    archive.is_wanted = False
    scene.talk()
    _says(scene, b"free")
    archive.is_wanted = True
    scene.tells(PoliciesChanged())
    _says(scene, b"kept", 3)
    _says(scene, b"kept, too", 4)
    archive.is_wanted = False
    scene.tells(PoliciesChanged())
    _says(scene, b"free again", 5)
    _says(scene, b"and again", 6)
    assert archive.words() == ["kept", "kept, too"]
    assert len(archive.asked) == 3


def test_who_leaves_the_enterprise_makes_a_session_one_with_the_outside(scene: Scene, archive: SlowArchive) -> None:
    """Policy is asked again when the directory has changed, and told that one of them is an outsider now."""
    scene.talk()
    _says(scene, b"among us")
    scene.people.remove(BOB)
    scene.tells(PersonChanged.gone(BOB))
    _says(scene, b"with others", 3)
    _says(scene, b"still", 4)
    assert archive.asked == [(frozenset({ALICE, BOB}), False), (frozenset({ALICE, BOB}), True)]


def test_strangers_are_outsiders() -> None:
    """Whom the directory does not know is not of the enterprise."""
    archive = SlowArchive()
    scene = Scene(archive=archive)
    assert Archiving(archive, scene.people, scene.timers).ask((ALICE, Aor("sip:stranger@elsewhere.test"))).demands
    assert archive.asked[-1][1]


def test_a_message_without_a_session_that_cannot_be_kept_is_recorded(scene: Scene, archive: SlowArchive) -> None:
    """As every other that was refused: with why."""
    archive.refuses = True
    (no,) = scene.send("MESSAGE", body=b"page")
    assert no.status == 503
    assert scene.outbound.calls == []
    record = scene.record
    assert (record.response_code, record.diagnostic_id, record.messages_failed, record.ended_by) == (
        503,
        1,
        1,
        "server",
    )


@pytest.mark.parametrize(("status", "kinds"), [(200, ["message"]), (486, ["message", "undelivered"])])
def test_the_text_in_an_invitation_to_a_conference_is_kept(
    scene: Scene, archive: SlowArchive, status: int, kinds: list[str]
) -> None:
    """Wherever clients put it, and though a topic may make it no XML."""
    body = b"<Conferencing><subject>a < b</subject><im available='true'><first-im>come!</first-im></im></Conferencing>"
    kind = "application/ms-conf-invite+xml"
    scene.send("INVITE", body=body, content_type=kind)
    scene.outbound.to("n/b1").answers(status, tag="tb")
    scene.turn()
    assert [said.kind for said in archive.kept] == kinds
    assert (archive.kept[0].body, archive.kept[0].recipients) == (b"come!", (BOB,))
    scene.send("INVITE", body=b"<Conferencing><first-im/></Conferencing>", content_type=kind, call_id="c2")
    assert len(archive.kept) == len(kinds)
    scene.send("INVITE", body=body, content_type=kind, call_id="c3", more=[_text("hi")])
    assert archive.kept[-1].body == b"hi"


def test_an_invitation_whose_text_cannot_be_kept_is_refused(scene: Scene, archive: SlowArchive) -> None:
    """Critical mode holds for it, too."""
    archive.refuses = True
    body = b"<Conferencing><first-im>come!</first-im></Conferencing>"
    (no,) = scene.send("INVITE", body=body, content_type="application/ms-conf-invite+xml")
    assert no.status == 503
    assert scene.outbound.calls == []
    assert scene.count("invitations") == 0


@pytest.mark.parametrize("is_durable", [True, False])
def test_a_message_that_is_given_up_while_it_waits_for_another_does_not_look_as_if_it_had_been_sent(
    archive: SlowArchive, is_durable: bool
) -> None:
    """Neither where its entry is durable already, nor where that only comes: whoever stops waiting stops no commit."""
    scene = Scene(archive=archive)
    archiving = Archiving(archive, scene.people, scene.timers)
    sent: list[str] = []

    async def send(name: str) -> None:
        sent.append(name)

    def task(name: str) -> Task[None]:
        said = ConversationEvent(1000.0, "talk", EntryKind.MESSAGE, ALICE, (BOB,), message_id=name, body=b"hello")
        return Task(archiving.archive_and_send("alice", said, partial(send, name)), ended.append, ended.append)

    ended: list[Any] = []
    one, two, three = map(task, ("one", "two", "three"))
    archive.is_prompt = False
    one.go_on()
    archive.is_prompt = is_durable
    two.go_on()
    archive.is_prompt = True
    two.cancel()
    assert [type(failure.value) for failure in ended] == [CancelledError]
    notes = [(kept.kind, kept.message_id, kept.body) for kept in archive.kept if kept.kind is not EntryKind.MESSAGE]
    assert notes == [(EntryKind.UNDELIVERED, "two", b"")]
    three.go_on()
    archive.catches_up()
    for _ in range(3):
        scene.turn()
    assert (sent, len(archiving)) == (["one", "three"], 0)
