"""Invitations: several devices, late answers, cancelling, declining, silence, and people who vanish."""

import pytest

from lyncpy.sip.message import Request
from tests.kit.actors import Actor
from tests.kit.stage import Stage
from tests.kit.talks import Talk


def _status(talk: Talk) -> int:
    assert talk.exchange is not None
    return talk.exchange.status


def test_every_device_is_asked_and_the_first_answer_wins(stage: Stage) -> None:
    """The phone accepts; the desk, which still rings, is called off with the reason that somebody else answered."""
    (alice,) = stage.sign_in("alice")
    desk, phone = stage.sign_in("bob", "bob")
    desk.lets_it_ring()
    phone.lets_it_ring()
    talk = alice.invites(desk)
    assert not talk.is_answered

    phone.talks[-1].accepts()

    assert talk.is_answered
    assert desk.talks[-1].is_cancelled
    (cancel,) = [request for request in desk.sip.heard if request.method == "CANCEL"]
    assert cancel.headers.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    talk.says("on the phone, then")
    assert (len(desk.texts), len(phone.texts)) == (0, 1)


def test_the_caller_hears_it_ring(stage: Stage) -> None:
    """A provisional answer of the callee reaches the caller before anything final does."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    talk = alice.invites(bob)
    assert talk.exchange is not None
    assert [answer.status for answer in talk.exchange.provisional] == [100, 180]
    assert talk.exchange.is_pending


def test_an_answer_that_comes_too_late_is_taken_back(stage: Stage) -> None:
    """A device that is deaf to CANCEL accepts ten seconds after the other: it gets an ACK, and a BYE."""
    (alice,) = stage.sign_in("alice")
    desk, phone = stage.sign_in("bob", "bob")
    desk.is_slow(10)
    talk = alice.invites(phone)
    assert talk.is_answered
    stage.passes(11)
    assert desk.talks[-1].is_cancelled
    assert [request.method for request in desk.sip.heard if request.method in ("ACK", "BYE")] == ["ACK", "BYE"]
    assert desk.talks[-1].is_over
    assert talk.says("still here").status == 200
    assert talk.exchange is not None
    assert len(talk.exchange.finals) == 1


def test_a_device_that_accepts_late_is_waited_for(stage: Stage) -> None:
    """Ten seconds without a word are usual for a client that knows of a second device."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_slow(10)
    talk = alice.invites(bob)
    stage.passes(11)
    assert _status(talk) == 200
    assert talk.says("at last").status == 200


def _before_a_call(stage: Stage) -> tuple[Actor, Actor, Actor]:
    """Give Alice, and two devices of Bob's that let it ring."""
    alice, desk, phone = stage.sign_in("alice", "bob", "bob")
    for device in (desk, phone):
        device.lets_it_ring()
    return alice, desk, phone


def test_the_caller_gives_up(stage: Stage) -> None:
    """CANCEL is answered, ends the ringing on every device, and the INVITE ends with 487."""
    alice, desk, phone = _before_a_call(stage)
    talk = alice.invites(desk)
    assert talk.cancels().status == 200
    assert _status(talk) == 487
    assert desk.talks[-1].is_cancelled
    assert phone.talks[-1].is_cancelled


def test_the_caller_gives_up_with_bye(stage: Stage) -> None:
    """A real client sends no CANCEL: its BYE ends the ringing, and the server answers the INVITE itself."""
    alice, desk, phone = _before_a_call(stage)
    talk = alice.invites(desk)
    assert talk.gives_up().status == 200
    assert _status(talk) == 487
    assert desk.talks[-1].is_cancelled
    assert phone.talks[-1].is_cancelled
    assert stage.sessions("bob")[-1].end_reason == "cancelled"
    assert stage.tables()["sessions"] == 0


def test_nobody_gives_up_for_another(stage: Stage) -> None:
    """Mallory has overheard Call-ID and tag of Alice's invitation; it rings on."""
    alice, bob, mallory = stage.sign_in("alice", "bob", "mallory")
    bob.lets_it_ring()
    talk = alice.invites(bob)
    stolen = talk.invite.edited(put=[("From", f"<{mallory.aor}>;tag={talk.invite.from_.tag}"), ("CSeq", "2 BYE")])
    assert mallory.sip.ask(Request("BYE", bob.aor, stolen.headers)).status == 481
    bob.talks[-1].accepts()
    assert _status(talk) == 200


def test_a_conversation_may_be_negotiated_anew(stage: Stage) -> None:
    """An INVITE within the dialog reaches the other side and is answered by it."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    fields = [("Contact", f"<{alice.sip.gruu}>")]
    assert talk.sends("INVITE", fields, talk.invite.body, "application/sdp").status == 200
    assert talk.says("and on").status == 200
    assert stage.tables()["sessions"] == 1


def test_an_answer_after_the_caller_gave_up_is_taken_back(stage: Stage) -> None:
    """The callee accepts in the moment of the CANCEL: he is told that nobody is there any more."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_slow(5)
    talk = alice.invites(bob)
    talk.cancels()
    assert _status(talk) == 487
    stage.passes(6)
    assert [request.method for request in bob.sip.heard][-2:] == ["ACK", "BYE"]
    assert bob.talks[-1].is_over


@pytest.mark.parametrize("status", [486, 603, 415])
def test_a_refusal_is_passed_on(stage: Stage, status: int) -> None:
    """What the callee's client says, the caller's client shows in words."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.declines(status)
    assert _status(alice.invites(bob)) == status


def test_one_device_that_declines_does_not_speak_for_the_other(stage: Stage) -> None:
    """The desk is busy, the phone accepts."""
    (alice,) = stage.sign_in("alice")
    desk, phone = stage.sign_in("bob", "bob")
    desk.declines(486)
    phone.lets_it_ring()
    talk = alice.invites(desk)
    assert talk.exchange is not None
    assert talk.exchange.is_pending
    phone.talks[-1].accepts()
    assert _status(talk) == 200


def test_declining_everywhere_speaks_for_all_devices(stage: Stage) -> None:
    """605 ends the ringing on the other device too."""
    (alice,) = stage.sign_in("alice")
    desk, phone = stage.sign_in("bob", "bob")
    desk.lets_it_ring()
    phone.declines(605)
    talk = alice.invites(desk)
    assert _status(talk) == 605
    assert desk.talks[-1].is_cancelled


def test_a_callee_who_says_nothing_at_all_times_out(stage: Stage) -> None:
    """After half a minute of silence the caller is told."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_silent()
    talk = alice.invites(bob)
    stage.passes(31)
    assert talk.exchange is not None
    assert talk.exchange.is_pending
    stage.passes(2)
    assert (talk.exchange.status, talk.exchange.diagnostics) == (408, 13002)


def test_ringing_ends_after_minutes(stage: Stage) -> None:
    """Nobody picks up: the caller is told after three minutes, and it rings no more."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    talk = alice.invites(bob)
    stage.passes(170)
    assert talk.exchange is not None
    assert talk.exchange.is_pending
    stage.passes(15)
    assert talk.exchange.status in (408, 487)
    assert bob.talks[-1].is_cancelled


def test_a_callee_who_vanishes_while_it_rings(stage: Stage) -> None:
    """The caller need not wait: 430 says that the way to the client broke."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    talk = alice.invites(bob)
    bob.is_cut_off()
    assert talk.exchange is not None
    assert (talk.exchange.status, talk.exchange.diagnostics) == (430, 1006)


def test_a_caller_who_vanishes_while_it_rings(stage: Stage) -> None:
    """It stops ringing at once."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    alice.invites(bob)
    alice.is_cut_off()
    assert bob.talks[-1].is_cancelled


def test_a_caller_who_vanishes_before_a_late_answer(stage: Stage) -> None:
    """A deaf device accepts into the void: it gets ACK and BYE, and nothing is left on the server."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_slow(10)
    alice.invites(bob)
    alice.is_cut_off()
    stage.passes(11)
    assert bob.talks[-1].is_over
    assert stage.tables()["sessions"] == 0


def test_who_is_talking_and_vanishes_is_said_goodbye_for(stage: Stage) -> None:
    """The other side gets the BYE that the vanished one cannot send, with his tags, and answers it."""
    alice, bob = stage.sign_in("alice", "bob")
    hers, his = alice.talks_to(bob)
    hers.says("one")
    alice.is_cut_off()
    assert his.is_over
    assert his.ended_by is not None
    assert his.ended_by.from_.tag == his.dialog.remote_tag if his.dialog else False
    assert stage.tables()["sessions"] == 0


@pytest.mark.parametrize("branch", [True, False])
def test_a_via_without_a_branch_serves(stage: Stage, branch: bool) -> None:
    """Real clients name their INVITE by Call-ID and CSeq alone; answers, CANCEL and dialog find their way."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    first, second = alice.invites(bob, branch=branch), alice.invites(bob, branch=branch)
    assert first.cancels().status == 200
    assert _status(first) == 487
    bob.talks[1].accepts()
    assert _status(second) == 200
    assert second.says("hello").status == 200


def test_both_invite_at_once(stage: Stage) -> None:
    """Both conversations come about; what clients make of that is theirs."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    hers = alice.invites(bob)
    his = bob.invites(alice)
    bob.talks[0].accepts()
    assert hers.is_answered
    assert his.is_answered


def test_the_server_stays_in_the_path(stage: Stage) -> None:
    """Both ends route everything through it, for the whole life of the conversation."""
    alice, bob = stage.sign_in("alice", "bob")
    hers, his = alice.talks_to(bob)
    for talk in (hers, his):
        assert talk.dialog is not None
        assert [route for route in talk.dialog.routes if "sip.example.com" in route and ";lr" in route]


def test_a_device_that_signs_in_while_it_rings_is_not_asked(stage: Stage) -> None:
    """An invitation goes to the devices of its moment; the later one stays out of it."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    talk = alice.invites(bob)
    (phone,) = stage.sign_in("bob")
    assert phone.talks == []
    bob.talks[-1].accepts()
    assert _status(talk) == 200


def test_inviting_oneself_reaches_the_other_device(stage: Stage) -> None:
    """Alice sends herself something from desk to phone."""
    desk, phone = stage.sign_in("alice", "alice")
    talk = desk.invites(desk)
    assert _status(talk) == 200
    assert talk.says("remember the milk").status == 200
    assert [text.words for text in phone.texts] == ["remember the milk"]
    assert desk.texts == []


def test_a_message_goes_round_in_circles_no_further_than_it_may(stage: Stage) -> None:
    """Max-Forwards 0 is answered by the server, and reaches nobody."""
    alice, bob = stage.sign_in("alice", "bob")
    request = alice.sip.request("MESSAGE", bob.aor, [("Content-Type", "text/plain")], b"hi")
    assert alice.sip.ask(request.edited(put=[("Max-Forwards", "0")])).status == 483
    assert bob.texts == []
