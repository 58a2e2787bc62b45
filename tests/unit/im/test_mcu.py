"""The chat of a conference: who gets what, who is told what did not arrive, and who has left."""

from typing import Any

import pytest

from lyncpy.contracts.facts import EndpointGone, EndpointGoneReason, FlowClosed
from lyncpy.contracts.mcu import DeliveryFailure, FailureKind, IMcu, ISipAccess, Participant
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.contracts.refusal import Refused
from lyncpy.sip.message import Response
from tests.kit.chats import CHAT, FOCUS, Chat, Member, SlowArchive, number_of, sdp
from tests.kit.fakes import awaited
from tests.kit.results import result_of, started
from tests.kit.talks import TYPING
from tests.kit.turns import turn

ALTERNATIVES = (
    b"--b\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nplain\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<b>rich</b>\r\n--b--\r\n"
)
MULTIPART = 'multipart/alternative; boundary="b"'


@pytest.fixture
def chat() -> Chat:
    """Give an empty chat."""
    return Chat()


def _of(*users: str, chat: Chat) -> tuple[Member, ...]:
    return tuple(chat.joins(user) for user in users)


def test_it_keeps_the_promise(chat: Chat) -> None:
    """What the focus relies on is there."""
    assert IMcu.providedBy(chat.mcu)
    assert chat.mcu.kind == "chat"
    assert ISipAccess.providedBy(chat.dialogs)


# --- joining


def test_who_is_let_in_gets_a_dialog(chat: Chat) -> None:
    """The answer spells the chat's URI as it was asked, names it a conference, and offers messages."""
    member = Member(chat, "alice", "e1")
    response = member.knocks(sdp("text/plain"))
    assert isinstance(response, Response)
    assert response.status == 200
    assert (response.to.uri, response.to.tag is not None) == (CHAT, True)
    assert response.headers.get("Contact") == f"<{CHAT}>;isfocus"
    assert b"\r\nm=message 5060 sip " in response.body
    assert b"a=accept-types:text/plain " in response.body


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"<Conferencing/>", "application/ms-conf-invite+xml", 415),
        (b"v=0\r\nm=audio 5000 RTP/AVP 0\r\n", "application/sdp", 488),
        (b"", "application/sdp", 488),
    ],
)
def test_who_offers_no_messages_is_refused(chat: Chat, body: bytes, content_type: str, status: int) -> None:
    """A chat carries nothing but messages."""
    no = Member(chat, "alice", "e1").knocks(body, content_type=content_type)
    assert isinstance(no, Refused)
    assert no.status == status
    assert len(chat.mcu) == 0


def test_the_table_has_a_bound() -> None:
    """One device more than the setting allows is told to come later."""
    chat = Chat(chat_legs_total=2)
    _of("alice", "bob", chat=chat)
    no = Member(chat, "carol", "e1").knocks(sdp(""))
    assert isinstance(no, Refused)
    assert no.status == 503


def test_nothing_overtakes_the_answer_to_joining(chat: Chat) -> None:
    """What is said while somebody joins reaches them after their 200: they have the dialog by then."""
    (alice,) = _of("alice", chat=chat)
    bob = Member(chat, "bob", "e1")
    response = bob.knocks(sdp("text/plain"))
    assert isinstance(response, Response)
    number_of(alice.says("hello"))
    assert chat.pending() == []
    bob.takes(response)
    bob.acknowledges()
    assert bob.texts == [("alice", "hello")]


def test_who_never_acknowledges_is_let_go(chat: Chat) -> None:
    """Their dialog ends after 32 seconds, and what waited for them is reported."""
    (alice,) = _of("alice", chat=chat)
    bob = Member(chat, "bob", "e1")
    response = bob.knocks(sdp("text/plain"))
    assert isinstance(response, Response)
    bob.takes(response)
    number = number_of(alice.says("hello"))
    chat.clock.advance(40)
    chat.turn()
    assert len(bob.requests("BYE")) == 1
    assert alice.reports == {number: [(bob.aor, 480)]}
    assert chat.observer.heard == [("bob/e1", "no answer")]


def test_a_device_that_joins_again_takes_its_own_place(chat: Chat) -> None:
    """After a lost connection it comes back before the server has noticed: the focus is told nothing."""
    alice, before = _of("alice", "bob", chat=chat)
    after = chat.joins("bob")
    number_of(alice.says("hello"))
    assert (before.texts, after.texts) == ([], [("alice", "hello")])
    assert chat.observer.heard == []
    assert before.requests("BYE") == []
    assert len(chat.mcu) == 2


# --- speaking


def test_what_one_says_all_others_hear_once(chat: Chat) -> None:
    """With its author's name, in each one's own dialog, and not at the device that said it."""
    alice, bob, carol = _of("alice", "bob", "carol", chat=chat)
    (answer,) = alice.says("hello", "text/plain; charset=UTF-8;msgr=WAAt")
    assert isinstance(answer, Response)
    assert (answer.status, answer.headers.get("Message-Id")) == (202, "1")
    assert (alice.texts, bob.texts, carol.texts) == ([], [("alice", "hello")], [("alice", "hello")])
    (message,) = bob.requests("MESSAGE")
    assert message.from_.uri == CHAT
    assert message.uri == bob.gruu
    assert message.headers.get("Content-Type") == "text/plain; charset=UTF-8;msgr=WAAt"
    assert message.headers.get("Ms-Sender") == f"<{alice.aor}>"


def test_the_other_devices_of_the_speaker_hear_it(chat: Chat) -> None:
    """Who sits at two devices sees the whole conversation at both."""
    desk, phone = chat.joins("alice", "desk"), chat.joins("alice", "phone")
    number_of(desk.says("hello"))
    assert (desk.texts, phone.texts) == ([], [("alice", "hello")])


def test_who_comes_late_hears_what_comes_after(chat: Chat) -> None:
    """The past is not repeated."""
    alice, bob = _of("alice", "bob", chat=chat)
    number_of(alice.says("before"))
    (carol,) = _of("carol", chat=chat)
    number_of(alice.says("after"))
    chat.all_answer()
    assert (bob.words, carol.words) == (["before", "after"], ["after"])


def test_copies_leave_in_several_turns_and_in_order(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy takes its time, and there may be hundreds: others are answered in between, and nothing is lost or late."""
    members = _of(*(f"user{number}" for number in range(12)), chat=chat)
    sent, send = list[str](), chat.outbound.send_prepared

    def slowly(flow: FlowName, prepared: Any, *rest: Any, **named: Any) -> None:
        chat.clock.rightNow += 0.0004
        sent.append(prepared.body.decode())
        send(flow, prepared, *rest, **named)

    monkeypatch.setattr(chat.outbound, "send_prepared", slowly)
    with monkeypatch.context() as still:
        still.setattr(chat, "turn", lambda: None)
        members[0].says("one")
        assert sent == ["one"] * 3
        members[1].says("two")
        assert sent == ["one"] * 3, "the second waits behind the first"
        turn(chat.clock)
        assert 4 <= len(sent) <= 9
    chat.turn()
    assert sent == ["one"] * 11 + ["two"] * 11
    chat.all_answer()
    assert members[0].reports == {1: []}
    assert members[1].reports == {2: []}


def test_each_sender_s_order_is_kept(chat: Chat) -> None:
    """Many messages one after the other, more than may be under way at once, arrive in order."""
    chat = Chat(chat_window=3)
    alice, bob = _of("alice", "bob", chat=chat)
    wanted = [f"{number}" for number in range(20)]
    for text in wanted:
        number_of(alice.says(text))
    assert bob.words == wanted[:3]
    chat.all_answer()
    assert bob.words == wanted
    assert alice.reports == {number: [] for number in range(1, 21)}


@pytest.mark.parametrize(
    ("accepts", "content_type", "text"),
    [
        ("text/plain", "text/plain; charset=UTF-8", "plain"),
        ("text/plain text/html", "text/html", "<b>rich</b>"),
        ("text/plain text/*", "text/html", "<b>rich</b>"),
        ("text/plain multipart/alternative", MULTIPART, ALTERNATIVES.decode()),
        ("", MULTIPART, ALTERNATIVES.decode()),
        ("image/gif", "text/plain; charset=UTF-8", "plain"),
    ],
)
def test_everybody_gets_what_they_can_show(chat: Chat, accepts: str, content_type: str, text: str) -> None:
    """Of alternatives the richest, all of them for who can choose, and plain text for who can show little."""
    alice = chat.joins("alice")
    bob = chat.joins("bob", accepts=accepts)
    number_of(alice.says(ALTERNATIVES, MULTIPART))
    (message,) = bob.requests("MESSAGE")
    assert (message.headers.get("Content-Type"), message.body.decode()) == (content_type, text)


def test_who_can_show_no_alternative_is_reported(chat: Chat) -> None:
    """415 is what clients put into words as "doesn't support this type of message"."""
    alice, bob = chat.joins("alice"), chat.joins("bob", accepts="text/plain")
    ink = b"--b\r\nContent-Type: application/x-ms-ink\r\n\r\nink\r\n--b--\r\n"
    number = number_of(alice.says(ink, MULTIPART))
    assert bob.texts == []
    assert alice.reports == {number: [(bob.aor, 415)]}


@pytest.mark.parametrize("kind", [b"text/plain\nX-Evil: 1", b"nonsense", b"text/plain;="])
def test_a_part_that_cannot_be_sent_is_reported(chat: Chat, kind: bytes) -> None:
    """Whoever takes the whole gets it; no line of a part becomes a line of somebody's message."""
    alice, bob, carol = (
        chat.joins("alice"),
        chat.joins("bob", accepts="text/plain"),
        chat.joins("carol", accepts="multipart/alternative"),
    )
    body = b"--b\r\nContent-Type: " + kind + b"\r\n\r\nx\r\n--b--\r\n"
    answers = alice.says(body, MULTIPART)
    if isinstance(answers[0], Refused):
        assert (answers[0].status, carol.texts) == (400, [])
        return
    chat.all_answer()
    assert alice.reports == {number_of(answers): [(bob.aor, 415)]}
    assert len(carol.texts) == 1


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"x", None, 400), (b"x", "nonsense", 400), (b"no end", MULTIPART, 400), (b"x", "multipart/alternative", 400)],
)
def test_what_cannot_be_read_is_not_accepted(chat: Chat, body: bytes, content_type: str | None, status: int) -> None:
    """A message that nobody could show is refused to its sender."""
    alice, bob = _of("alice", "bob", chat=chat)
    (no,) = alice.sends("MESSAGE", body, content_type)
    assert isinstance(no, Refused)
    assert no.status == status
    assert bob.texts == []


def test_only_the_participant_speaks_in_their_dialog(chat: Chat) -> None:
    """Somebody who has learned the names of another's dialog can say nothing in it."""
    alice, bob = _of("alice", "bob", chat=chat)
    mallory = Member(chat, "mallory", "e1")
    assert alice.dialog is not None
    message = alice.dialog.next_request("MESSAGE", (), b"lies", "text/plain")
    (no,) = alice.asks(message, by=mallory)
    assert isinstance(no, Refused)
    assert no.status == 481
    assert bob.texts == []


def test_messages_are_counted(chat: Chat) -> None:
    """The call detail records say how many each has sent; the numbers stay until the medium is closed."""
    alice, bob = _of("alice", "bob", chat=chat)
    for _ in range(3):
        number_of(alice.says("hello"))
    number_of(bob.says("hi"))
    alice.leaves()
    assert chat.mcu.counts(FOCUS) == {alice.aor: 3, bob.aor: 1}
    chat.mcu.end_conference(FOCUS, "over")
    assert chat.mcu.counts(FOCUS) == {}


def test_two_conferences_have_nothing_in_common(chat: Chat) -> None:
    """The same people in two conferences hear each thing where it was said."""
    other = FOCUS.replace("59CE", "0000")
    alice, bob = _of("alice", "bob", chat=chat)
    alice2 = chat.joins("alice", "e2", conference=other)
    bob2 = chat.joins("bob", "e2", conference=other)
    number_of(alice.says("here"))
    number_of(bob2.says("there"))
    assert (bob.words, bob2.words, alice.words, alice2.words) == (["here"], [], [], ["there"])


# --- what did not arrive


def test_everybody_got_it(chat: Chat) -> None:
    """A report without recipients says so; the real client keeps each text until it comes."""
    alice, bob, _ = _of("alice", "bob", "carol", chat=chat)
    number = number_of(alice.says("hello"))
    assert alice.reports == {}
    chat.all_answer()
    assert alice.reports == {number: []}
    assert bob.reports == {}


@pytest.mark.parametrize("status", [415, 480, 500, 603])
def test_who_refuses_is_named(chat: Chat, status: int) -> None:
    """The report names those who did not get it, with what they said, and nobody else; they stay."""
    alice, bob, _carol = _of("alice", "bob", "carol", chat=chat)
    number = number_of(alice.says("hello"))
    chat.outbound.to(bob.flow).answers(status)
    chat.all_answer()
    assert alice.reports == {number: [(bob.aor, status)]}
    assert len(chat.mcu) == 3
    assert chat.observer.heard == []


def test_who_knows_the_dialog_no_more_has_left(chat: Chat) -> None:
    """481: the client has lost its place; the focus is told, and nobody sends them anything more."""
    alice, bob = _of("alice", "bob", chat=chat)
    number = number_of(alice.says("hello"))
    chat.outbound.to(bob.flow).answers(481)
    chat.turn()
    assert alice.reports == {number: [(bob.aor, 481)]}
    assert chat.observer.heard == [("bob/e1", "connection lost")]
    number_of(alice.says("anybody there?"))
    assert bob.words == ["hello"]


def test_a_connection_that_is_lost_between_202_and_delivery(chat: Chat) -> None:
    """What was under way and what waited is reported, each message once, and the focus is told once."""
    chat = Chat(chat_window=1)
    alice, bob, carol = _of("alice", "bob", "carol", chat=chat)
    numbers = [number_of(alice.says(text)) for text in ("one", "two", "three")]
    chat.outbound.gone.add(bob.flow)
    chat.outbound.to(bob.flow).fails(430)
    chat.all_answer()
    assert [alice.reports[number] for number in numbers] == [[(bob.aor, 430)]] * 3
    assert carol.words == ["one", "two", "three"]
    chat.dialogs.flow_closed(FlowClosed(bob.flow, "connection lost"))
    assert chat.observer.heard == [("bob/e1", "connection lost")]


def test_a_client_that_hangs_slows_nobody_and_is_let_go(chat: Chat) -> None:
    """Bob answers nothing: the others get everything at once, each message is reported, and after three the device is out."""
    chat = Chat(chat_window=2, chat_waiting=3, chat_silences=3)
    alice, bob, carol = _of("alice", "bob", "carol", chat=chat)
    numbers = []
    for number in range(7):
        numbers.append(number_of(alice.says(f"{number}")))
        for call in chat.pending(carol.flow):
            call.answers(200)
    chat.turn()
    assert carol.words == [f"{number}" for number in range(7)]
    assert alice.reports == {numbers[5]: [(bob.aor, 408)], numbers[6]: [(bob.aor, 408)]}
    for _ in range(3):
        chat.pending(bob.flow)[0].fails(408)
    chat.turn()
    for call in chat.pending(bob.flow):
        call.fails(408)
    chat.turn()
    assert {number: alice.reports[number][0][0] for number in numbers} == dict.fromkeys(numbers, bob.aor)
    assert chat.observer.heard == [("bob/e1", "no answer")]
    assert len(bob.requests("BYE")) == 1
    assert len(chat.mcu) == 2


def test_an_answer_between_silences_counts(chat: Chat) -> None:
    """Who misses a message now and then stays."""
    alice, bob = _of("alice", "bob", chat=chat)
    for _ in range(5):
        number_of(alice.says("x"))
        chat.outbound.to(bob.flow).fails(408)
        number_of(alice.says("x"))
        chat.outbound.to(bob.flow).answers(200)
    assert chat.observer.heard == []


def test_what_waits_has_a_bound_in_bytes() -> None:
    """Large messages for somebody who hangs do not fill the memory."""
    chat = Chat(chat_window=1, chat_waiting_bytes=65_536)
    alice, bob = _of("alice", "bob", chat=chat)
    for _ in range(2):
        number_of(alice.says("x" * 40_000))
    number = number_of(alice.says("x" * 40_000))
    assert alice.reports == {number: [(bob.aor, 408)]}


def test_a_report_to_who_has_just_vanished_is_lost(chat: Chat) -> None:
    """Nobody is there to read it."""
    alice, bob = _of("alice", "bob", chat=chat)
    number_of(alice.says("hello"))
    chat.outbound.gone.add(alice.flow)
    chat.all_answer()
    assert (alice.reports, bob.words) == ({}, ["hello"])


@pytest.mark.parametrize("how", ["bye", "lost"])
def test_a_sender_who_has_left_gets_no_report(chat: Chat, how: str) -> None:
    """There is no dialog any more in which it could come."""
    alice, bob = _of("alice", "bob", chat=chat)
    number_of(alice.says("bye"))
    if how == "bye":
        alice.leaves()
    else:
        chat.dialogs.flow_closed(FlowClosed(alice.flow, "reset"))
    chat.outbound.to(bob.flow).fails(408)
    chat.turn()
    assert alice.reports == {}


def test_a_report_comes_after_the_acknowledgement(chat: Chat) -> None:
    """The real client would not know the message that it is about; even one that nobody has to be sent to."""
    (alice,) = _of("alice", chat=chat)
    assert alice.dialog is not None
    message = alice.dialog.next_request("MESSAGE", (), b"hello?", "text/plain")
    answers: list[Response] = []
    _ = started(alice.answered(alice.arrival_of(message))).addCallback(answers.append)
    assert [answer.status for answer in answers] == [202]
    assert chat.outbound.told == []
    chat.turn()
    assert alice.reports == {1: []}


def test_a_user_with_several_devices_is_told_apart(chat: Chat) -> None:
    """Where only one of somebody's devices did not get it, the report names that device."""
    alice = chat.joins("alice")
    desk, phone = chat.joins("bob", "desk"), chat.joins("bob", "phone")
    number = number_of(alice.says("hello"))
    chat.outbound.to(desk.flow).answers(200)
    chat.outbound.to(phone.flow).fails(408)
    chat.turn()
    assert alice.reports == {number: [(phone.gruu, 408)]}


def test_the_reason_travels_with_the_report(chat: Chat) -> None:
    """What a client says of its own refusal, its diagnostics, reaches the sender."""
    alice, bob = _of("alice", "bob", chat=chat)
    number_of(alice.says("hello"))
    chat.outbound.to(bob.flow).answers(500, headers=(("ms-client-diagnostics", '52001;reason="a <b> & c"'),))
    chat.turn()
    (report,) = alice.requests("BENOTIFY")
    assert report.headers.get("Content-Type") == "application/ms-imdn+xml"
    assert b'<key>ms-diagnostics</key><value>52001;reason="a &lt;b&gt; &amp; c"</value>' in report.body


# --- typing


def test_typing_is_shown_to_the_others(chat: Chat) -> None:
    """With the name of who types, at everybody's device but the one where it happens."""
    alice, bob, carol = _of("alice", "bob", "carol", chat=chat)
    (answer,) = alice.types()
    assert isinstance(answer, Response)
    assert answer.status == 200
    for member in (bob, carol):
        (info,) = member.requests("INFO")
        assert info.headers.get("Ms-Sender") == f"<{alice.aor}>"
        assert info.headers.get("Content-Type") == "application/xml"
    assert alice.requests("INFO") == []


def test_typing_is_not_shown_to_who_is_behind(chat: Chat) -> None:
    """To whom messages do not arrive, no signs are sent: they would only be more that does not."""
    chat = Chat(chat_window=1)
    alice, bob = _of("alice", "bob", chat=chat)
    for _ in range(2):
        number_of(alice.says("hello"))
    alice.types()
    assert bob.requests("INFO") == []


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"<x/>", "application/xml", 400),
        (b"<KeyboardActivity/>", "application/xml", 400),
        (b'<KeyboardActivity><status status="sings"/></KeyboardActivity>', "application/xml", 400),
        (b"not XML", "application/xml", 400),
        (b"<KeyboardActivity>" + b" " * 5_000 + b"</KeyboardActivity>", "application/xml", 413),
        (b"x", "text/plain", 415),
    ],
)
def test_what_is_no_typing_reaches_nobody(chat: Chat, body: bytes, content_type: str, status: int) -> None:
    """INFO is no way around what messages are held to."""
    alice, bob = _of("alice", "bob", chat=chat)
    (no,) = alice.sends("INFO", body, content_type)
    assert isinstance(no, Refused)
    assert no.status == status
    assert bob.requests("INFO") == []


# --- leaving


def test_who_leaves_is_gone(chat: Chat) -> None:
    """BYE is answered, the focus is told, and nothing more is sent to them."""
    alice, bob = _of("alice", "bob", chat=chat)
    (answer,) = bob.leaves()
    assert isinstance(answer, Response)
    assert answer.status == 200
    assert chat.observer.heard == [("bob/e1", "bye")]
    number_of(alice.says("hello"))
    assert bob.texts == []
    assert bob.requests("BYE") == []


def test_what_waited_for_who_leaves_is_reported(chat: Chat) -> None:
    """He was there when it was acknowledged, and did not get it."""
    chat = Chat(chat_window=1)
    alice, bob = _of("alice", "bob", chat=chat)
    first, second = number_of(alice.says("one")), number_of(alice.says("two"))
    bob.leaves()
    chat.turn()
    assert alice.reports == {second: [(bob.aor, 480)]}
    chat.outbound.to(bob.flow).answers(200)
    chat.turn()
    assert alice.reports[first] == []


def test_somebody_is_thrown_out(chat: Chat) -> None:
    """All their devices get BYE with the reason, and the focus, who wanted it, is not told."""
    alice = chat.joins("alice")
    desk, phone = chat.joins("bob", "desk"), chat.joins("bob", "phone")
    chat.mcu.dismiss(FOCUS, desk.aor, None, 'removed by "Alice"')
    for device in (desk, phone):
        (bye,) = device.requests("BYE")
        assert bye.headers.get("Reason") == 'SIP;cause=200;text="removed by \\"Alice\\""'
        assert bye.from_.uri == CHAT
    assert chat.observer.heard == []
    number_of(alice.says("they are gone"))
    assert desk.texts == phone.texts == []


def test_one_device_is_thrown_out(chat: Chat) -> None:
    """The user's other device stays."""
    desk, phone = chat.joins("bob", "desk"), chat.joins("bob", "phone")
    chat.mcu.dismiss(FOCUS, desk.aor, desk.epid, "")
    assert (len(desk.requests("BYE")), len(phone.requests("BYE"))) == (1, 0)
    chat.mcu.dismiss("sip:unknown", desk.aor, None, "")
    assert len(chat.mcu) == 1


def test_the_chat_is_closed(chat: Chat) -> None:
    """Everybody gets one BYE; nothing is left, and no report comes after it."""
    alice, bob = _of("alice", "bob", chat=chat)
    number_of(alice.says("hello"))
    chat.mcu.end_conference(FOCUS, "the meeting has ended")
    chat.mcu.end_conference(FOCUS, "twice")
    chat.all_answer()
    assert (len(alice.requests("BYE")), len(bob.requests("BYE"))) == (1, 1)
    assert alice.reports == {}
    assert len(chat.mcu) == 0
    assert chat.observer.heard == []


def test_a_lost_connection_ends_every_place_on_it(chat: Chat) -> None:
    """The focus is told of each, with the reason."""
    other = FOCUS.replace("59CE", "0000")
    chat.joins("bob")
    chat.joins("bob", conference=other)
    chat.dialogs.flow_closed(FlowClosed(FlowName("n/bob-e1"), "reset"))
    assert chat.observer.heard == [("bob/e1", "connection lost")] * 2
    assert len(chat.mcu) == 0


def test_signing_out_ends_the_places_of_that_device(chat: Chat) -> None:
    """The connection stays; another device of the user is not concerned."""
    bob = chat.joins("bob")
    chat.joins("bob", "e2")
    gone = EndpointGone(bob.aor, Epid("e1"), bob.flow, EndpointGoneReason.SIGNED_OUT, last=False)
    chat.dialogs.endpoint_gone(gone)
    assert chat.observer.heard == [("bob/e1", "signed out")]
    assert len(chat.mcu) == 1


def test_a_device_may_change_its_connection(chat: Chat) -> None:
    """What it sends over a new connection moves it there; the end of the old one is not its end."""
    alice, bob = _of("alice", "bob", chat=chat)
    old, bob.flow = bob.flow, FlowName("n/new")
    number_of(bob.says("I am here now"))
    chat.dialogs.flow_closed(FlowClosed(old, "reset"))
    number_of(alice.says("good"))
    assert chat.outbound.calls[-1].flow == "n/new"
    assert chat.observer.heard == []


# --- what else comes in a dialog


def test_a_session_is_refreshed(chat: Chat) -> None:
    """UPDATE without a body and INVITE with one are answered within the dialog, and what they can show may be new."""
    alice, bob = _of("alice", "bob", chat=chat)
    (plain,) = bob.sends("UPDATE")
    assert isinstance(plain, Response)
    assert (plain.status, plain.body) == (200, b"")
    assert bob.dialog is not None
    again = bob.dialog.next_request("INVITE", (), sdp("text/html"), "application/sdp")
    arrival = bob.arrival_of(again)
    who = Participant(FOCUS, bob.aor, bob.epid, "{bob}")
    (answer,) = chat.run(bob.admitted(who, arrival))
    assert isinstance(answer, Response)
    assert answer.to.tag == bob.dialog.remote_tag
    number_of(alice.says(ALTERNATIVES, MULTIPART))
    assert bob.words == ["<b>rich</b>"]


def test_a_dialog_that_is_not_there_cannot_be_refreshed(chat: Chat) -> None:
    """An INVITE with a To tag that nobody gave is 481."""
    no = Member(chat, "alice", "e1").knocks(sdp(""), to_tag="forged")
    assert isinstance(no, Refused)
    assert no.status == 481


def test_a_client_may_ask_whether_the_dialog_lives(chat: Chat) -> None:
    """OPTIONS within it is answered 200."""
    (alice,) = _of("alice", chat=chat)
    (answer,) = alice.sends("OPTIONS")
    assert isinstance(answer, Response)
    assert answer.status == 200


def test_an_old_number_is_out_of_order(chat: Chat) -> None:
    """A request that was overtaken is not said again."""
    alice, bob = _of("alice", "bob", chat=chat)
    assert alice.dialog is not None
    old = alice.dialog.next_request("MESSAGE", (), b"old", "text/plain")
    number_of(alice.says("new"))
    (no,) = alice.asks(old)
    assert isinstance(no, Refused)
    assert no.status == 500
    assert bob.words == ["new"]


def test_a_stopped_server_leaves_no_deadline_and_tells_nobody(chat: Chat) -> None:
    """Clients come back by themselves when it has started again; a BYE would keep them from it."""
    Member(chat, "alice", "e1").knocks(sdp(""))
    bob = chat.joins("bob")
    chat.mcu.stop()
    assert len(chat.timers) == 0
    assert bob.requests("BYE") == []


def test_a_device_may_change_its_address(chat: Chat) -> None:
    """Messages go to the Contact that it gave last."""
    alice, bob = _of("alice", "bob", chat=chat)
    number_of(alice.says("one"))
    assert bob.dialog is not None
    bob.asks(bob.dialog.next_request("UPDATE", [("Contact", "<sip:bob@10.0.0.9>")]))
    number_of(alice.says("two"))
    assert [message.uri for message in bob.requests("MESSAGE")] == [bob.gruu, "sip:bob@10.0.0.9"]


def test_who_is_removed_before_they_acknowledge_leaves_no_deadline(chat: Chat) -> None:
    """Nothing is waited for any more."""
    bob = Member(chat, "bob", "e1")
    bob.knocks(sdp(""))
    chat.mcu.dismiss(FOCUS, bob.aor, None, "")
    assert len(chat.timers) == 0


# --- the archive


def test_what_is_said_is_kept_before_anybody_gets_it() -> None:
    """Nothing is acknowledged or passed on before it is durable; and it is kept whole."""
    archive = SlowArchive()
    archive.is_prompt = False
    chat = Chat(archive)
    alice, bob, _ = _of("alice", "bob", "carol", chat=chat)
    answers = alice.says("hello", "text/plain;x=y")
    assert answers == []
    assert bob.texts == []
    archive.catches_up()
    chat.turn()
    number_of(answers)
    assert bob.texts == [("alice", "hello")]
    (said,) = archive.kept
    assert (said.kind, said.conversation, said.conference, said.sender) == ("message", FOCUS, True, alice.aor)
    assert (said.recipients, said.content_type, said.body) == (
        (bob.aor, "sip:carol@contoso.test"),
        "text/plain;x=y",
        b"hello",
    )
    assert said.at == 1000.0


def test_order_holds_while_the_archive_is_slow() -> None:
    """A second message does not overtake a first that still waits to be kept, even if it need not be kept itself."""
    archive = SlowArchive()
    archive.is_prompt = False
    chat = Chat(archive)
    alice, bob = _of("alice", "bob", chat=chat)
    first = alice.says("one")
    archive.is_wanted = False
    chat.changes_policy()
    second = alice.says("two")
    assert (first, second, bob.words) == ([], [], [])
    archive.catches_up()
    chat.turn()
    assert (number_of(first), number_of(second)) == (1, 2)
    assert bob.words == ["one", "two"]


def test_what_cannot_be_kept_is_not_said() -> None:
    """Critical mode: the sender hears why, and nobody else hears anything."""
    archive = SlowArchive()
    chat = Chat(archive)
    alice, bob = _of("alice", "bob", chat=chat)
    archive.refuses = True
    (no,) = alice.says("hello")
    assert isinstance(no, Refused)
    assert (no.status, no.diagnostics and no.diagnostics.reason) == (503, "The conversation cannot be recorded")
    assert bob.texts == []
    assert chat.mcu.counts(FOCUS) == {}


def test_what_was_kept_and_not_delivered_is_noted() -> None:
    """The archive says who did not get it, by the name under which the message was kept."""
    archive = SlowArchive()
    chat = Chat(archive)
    alice, bob, _ = _of("alice", "bob", "carol", chat=chat)
    number_of(alice.says("hello"))
    chat.outbound.to(bob.flow).fails(408)
    chat.all_answer()
    message, note = archive.kept
    assert (note.kind, note.message_id, note.recipients, note.body) == (
        "undelivered",
        message.message_id,
        (bob.aor,),
        b"",
    )


def test_who_leaves_while_their_message_is_kept_has_not_said_it() -> None:
    """It is in the archive, as a message that nobody got."""
    archive = SlowArchive()
    archive.is_prompt = False
    chat = Chat(archive)
    alice, bob = _of("alice", "bob", chat=chat)
    answers = alice.says("hello")
    alice.leaves()
    archive.is_prompt = True
    archive.catches_up()
    chat.turn()
    (no,) = answers
    assert isinstance(no, Refused)
    assert no.status == 481
    assert bob.texts == []
    assert [said.kind for said in archive.kept] == ["message", "undelivered"]


def test_who_joins_while_a_message_is_kept_does_not_get_it() -> None:
    """They came after it was said; the archive does not name them either."""
    archive = SlowArchive()
    archive.is_prompt = False
    chat = Chat(archive)
    alice, bob = _of("alice", "bob", chat=chat)
    alice.says("hello")
    carol = chat.joins("carol")
    archive.catches_up()
    chat.turn()
    assert (bob.words, carol.words) == (["hello"], [])


def test_a_guest_makes_it_a_conversation_with_outsiders() -> None:
    """The policy for external communication is asked about as soon as a guest takes part."""
    archive = SlowArchive()
    chat = Chat(archive)
    alice, _bob = _of("alice", "bob", chat=chat)
    number_of(alice.says("inside"))
    chat.joins("alice", "guest", internal=False)
    number_of(alice.says("outside"))
    assert [external for _, external in archive.asked] == [False, True]


def test_policy_is_asked_once_about_who_is_there() -> None:
    """Not for each message; again when somebody comes or has left wholly, and when policies have changed."""
    archive = SlowArchive()
    chat = Chat(archive)
    alice, bob = _of("alice", "bob", chat=chat)
    for number in range(5):
        number_of(alice.says(f"a{number}"))
        number_of(bob.says(f"b{number}"))
        chat.all_answer()
    two = frozenset({alice.aor, bob.aor})
    assert archive.asked == [(two, False)]
    phone = chat.joins("bob", "phone")
    number_of(alice.says("to both of their devices"))
    phone.leaves()
    number_of(alice.says("to one again"))
    assert archive.asked == [(two, False)]
    carol = chat.joins("carol")
    number_of(alice.says("to two"))
    carol.leaves()
    number_of(alice.says("to one"))
    assert archive.asked[1:] == [(two | {carol.aor}, False), (two, False)]
    archive.is_wanted = False
    chat.changes_policy()
    number_of(alice.says("not to be kept"))
    number_of(alice.says("nor this"))
    assert len(archive.asked) == 4
    assert "not to be kept" not in archive.words()
    assert "nor this" not in archive.words()


# --- by another road than SIP


def test_who_comes_by_another_road_talks_with_everybody(chat: Chat) -> None:
    """The MCU wants a leg and gives what lets them speak; the others do not see by which road they came."""
    (alice,) = _of("alice", chat=chat)
    bob, leg = chat.takes_in("bob")
    number_of(alice.says("before they have seen that they are in"))
    assert leg.heard == []
    bob.joined()
    number_of(alice.says("hello"))
    number = result_of(awaited(bob.say("text/plain", b"hi Alice")))
    alice.types()
    bob.types(TYPING)
    chat.all_answer()
    assert leg.heard == [("alice", "before they have seen that they are in"), ("alice", "hello")]
    assert alice.texts == [("bob", "hi Alice")]
    assert (leg.typing, len(alice.requests("INFO"))) == (["alice"], 1)
    assert leg.reports == [(number, [])]
    assert alice.reports == {1: [], 2: []}
    assert chat.mcu.counts(FOCUS) == {alice.aor: 2, "sip:bob@contoso.test": 1}


def test_a_leg_of_another_road_ends_as_every_other(chat: Chat) -> None:
    """By the focus, by its own doing, and when it takes nothing; once, and the focus hears what it did not do itself."""
    (alice,) = _of("alice", chat=chat)
    _, bobs = chat.takes_in("bob")
    chat.mcu.dismiss(FOCUS, Aor("sip:bob@contoso.test"), None, "removed")
    carol, carols = chat.takes_in("carol")
    carol.leave("closed the page")
    carol.leave("twice")
    carol.types(TYPING)
    carol.joined()
    with pytest.raises(Refused):
        result_of(awaited(carol.say("text/plain", b"too late")))
    dave, daves = chat.takes_in("dave")
    dave.lost("no connection")
    erin, erins = chat.takes_in("erin")
    erin.joined()
    erins.refuses = DeliveryFailure(FailureKind.LOST, 430)
    number = number_of(alice.says("anybody?"))
    chat.turn()
    assert [leg.ended for leg in (bobs, carols, daves, erins)] == [["removed"], [None], [None], [None]]
    assert chat.observer.heard == [
        ("carol/e1", "closed the page"),
        ("dave/e1", "no connection"),
        ("erin/e1", "connection lost"),
    ]
    assert alice.reports == {number: [("sip:erin@contoso.test", 430)]}
    assert (alice.requests("INFO"), alice.texts) == ([], [])
    assert len(chat.mcu) == 1


def test_the_same_device_by_another_road_replaces_its_dialog(chat: Chat) -> None:
    """One device has one leg, whichever it is; a leg that finds no room is not touched."""
    (bob,) = _of("bob", chat=chat)
    _, leg = chat.takes_in("bob")
    assert (len(chat.mcu), len(chat.dialogs)) == (1, 0)
    (no,) = bob.says("I am still here")
    assert isinstance(no, Refused)
    assert no.status == 481
    chat.mcu.stop()
    assert (len(chat.mcu), leg.ended) == (0, [None])
    full = Chat(chat_legs_total=2)
    _of("alice", "carol", chat=full)
    with pytest.raises(Refused):
        full.takes_in("bob")


# --- several nodes


def test_the_dialog_of_a_lost_home_goes_on(chat: Chat) -> None:
    """With its tag, and with higher numbers; who is in it may speak and is spoken to at once."""
    alice = chat.joins("alice")
    bob = Member(chat, "bob", "e1")
    assert isinstance(bob.knocks(sdp("text/plain")), Response)
    assert bob.invite is not None
    arrival = bob.arrival_of(bob.invite)
    chat.mcu.dismiss(FOCUS, bob.aor, None, "lost")
    who = Participant(FOCUS, bob.aor, bob.epid, "{bob}")
    chat.dialogs.go_on(who, arrival, "their-tag", 1000)
    assert [answer.status for answer in alice.says("hello") if isinstance(answer, Response)] == [202]
    (call,) = chat.pending(method="MESSAGE")
    assert (call.request.from_.tag, call.request.cseq.number, call.request.call_id) == (
        "their-tag",
        1001,
        arrival.request.call_id,
    )


def test_what_another_server_goes_on_with_is_forgotten(chat: Chat) -> None:
    """Nobody is told that it ends, and nobody is in it any more."""
    _of("alice", "bob", chat=chat)
    chat.mcu.abandon(FOCUS)
    chat.mcu.abandon(FOCUS)
    assert (len(chat.mcu), len(chat.dialogs), chat.pending(method="BYE"), chat.observer.heard) == (0, 0, [], [])
