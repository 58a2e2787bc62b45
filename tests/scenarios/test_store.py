"""A store that fails or is slow: nothing is promised that is not kept, and what needs no store goes on."""

from lyncpy.contracts.names import aor_of
from tests.kit.meetings import code_of, outcome_of
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage

BOB = "sip:bob@example.com"


def _is_try_again(exchange: Exchange) -> bool:
    return exchange.status == 503 and int(exchange.answer.headers.get("Retry-After") or "0") > 0


def test_what_must_be_kept_is_refused(stage: Stage) -> None:
    """Contacts, notes and access levels: 503 with Retry-After, and nobody sees any of it."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    number = alice.contacts.number
    stage.disk.broken = True

    assert _is_try_again(alice.adds(BOB))
    assert _is_try_again(alice.publishes(note="lost"))
    assert _is_try_again(alice.blocks(bob))

    assert (alice.contacts.number, alice.contacts.people) == (number, {})
    assert (bob.hears(alice).availability, bob.hears(alice).note) == ("available", "")


def test_everything_works_again_when_the_store_does(stage: Stage) -> None:
    """Nothing is stuck, no number was skipped."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    number = alice.contacts.number
    stage.disk.broken = True
    alice.adds(BOB)
    alice.publishes(note="lost")

    stage.disk.broken = False

    assert alice.adds(BOB).status == 200
    assert alice.contacts.number == number + 1
    assert alice.publishes(note="kept").status == 200
    assert bob.hears(alice).note == "kept"
    assert stage.tables()["homes held"] == 0


def test_people_talk_on_without_a_store(stage: Stage) -> None:
    """A conversation needs no disk; its records wait, and are written when that works again."""
    stage.expect("call records wait")
    alice, bob = stage.sign_in("alice", "bob")
    stage.disk.broken = True

    talk, _ = alice.talks_to(bob)
    assert talk.says("the disk is full").status == 200
    assert talk.hangs_up().status == 200

    stage.passes(3)
    assert [one for one in stage.sessions("bob") if one.user1 == alice.aor] == []
    stage.disk.broken = False
    stage.passes(10)
    (record,) = [one for one in stage.sessions("bob") if one.user1 == alice.aor]
    assert (record.user1_messages, record.end_reason) == (1, "bye")
    assert stage.tables()["records waiting"] == 0


def test_who_is_in_stays_in(stage: Stage) -> None:
    """Refreshes, keep-alives and what only lives in memory go on."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    stage.disk.broken = True
    assert alice.sip.register().status == 200
    assert bob.hears(alice).availability == "available"
    alice.is_cut_off()
    assert bob.hears(alice).availability == "offline"


def test_nobody_signs_in_without_a_store_but_all_do_after(stage: Stage) -> None:
    """Passwords are in the store: 503, which clients show in words, and not "wrong password"."""
    stage.disk.broken = True
    alice = stage.actor("alice")
    assert _is_try_again(alice.sip.register())
    assert stage.entrance.gate.signins.failures(aor_of(alice.aor)) == ()
    stage.disk.broken = False
    again = stage.actor("alice")
    assert again.sip.register().status == 200


def _signed_in_unread(stage: Stage, name: str) -> str:
    """Sign somebody in whose board the disk is yet to give; whom it blocks is not known."""
    device = stage.actor(name)
    stage.disk.slow_down()
    signing_in = device.sip.register()
    while signing_in.is_pending:
        stage.disk.do_one()
        stage.passes(0.1)
    assert signing_in.status == 200
    assert len(stage.disk) == 1
    return device.aor


def test_who_signed_in_before_is_reached_without_a_store(stage: Stage) -> None:
    """By the first message, of somebody who had nothing to do with them, and with a device that publishes nothing and asks for nothing."""
    stage.expect("call records wait")
    (alice,) = stage.sign_in("alice")
    carol = stage.actor("carol")
    assert carol.sip.register().status == 200
    stage.disk.broken = True
    talk, _ = alice.talks_to(carol)
    assert talk.says("is anybody there?").status == 200
    # And who is not there is not: nothing has to be read for that.
    nobody = alice.invites("sip:dave@example.com")
    assert nobody.exchange is not None
    assert nobody.exchange.status == 480


def test_an_invitation_that_the_store_stops_is_refused_whole(stage: Stage) -> None:
    """Whether Carol blocks Alice cannot be read: what Alice hears is what she hears of who is not there; no session is left."""
    stage.expect("call records wait")
    (alice,) = stage.sign_in("alice")
    carol = _signed_in_unread(stage, "carol")
    stage.disk.broken = True
    stage.disk.catch_up()
    heard = []
    for other in (carol, "sip:dave@example.com"):
        talk = alice.invites(other)
        assert talk.exchange is not None
        answer = talk.exchange.answer
        heard.append((answer.status, answer.headers.get("ms-diagnostics"), alice.pages(other, "there?").status))
    assert heard[0] == heard[1]
    assert heard[0][0] == heard[0][2] == 480
    assert stage.tables()["sessions"] == 0
    stage.disk.broken = False
    stage.passes(10)
    assert {one.response_code for one in stage.sessions("carol")} == {480}
    assert {one.ended_by for one in stage.sessions("carol")} == {"server"}


def test_nobody_learns_who_is_there_by_calling_them_into_a_meeting_without_a_store(stage: Stage) -> None:
    """One who has blocked them, one of whom that cannot be read, and one who is not there: the same, in the same time."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.blocks(alice)
    meeting = alice.meets()
    carol = _signed_in_unread(stage, "carol")
    stage.disk.broken = True
    stage.disk.catch_up()
    heard = []
    for other in (bob.aor, carol, "sip:dave@example.com"):
        assert code_of(meeting.calls_in(other).answer) == "pending"
        stage.passes(1)
        heard.append(outcome_of(meeting))
    assert heard == ["userNotAnswered"] * 3
    assert len(meeting.responses) == 3


def test_an_invitation_that_the_store_holds_up_ends(stage: Stage) -> None:
    """The caller is answered in the end, and no session is left behind."""
    stage.expect("was not answered in time")
    (alice,) = stage.sign_in("alice")
    talk = alice.invites(_signed_in_unread(stage, "carol"))
    stage.passes(301)
    assert talk.exchange is not None
    assert talk.exchange.status == 504
    assert stage.tables()["sessions"] == 0


def test_a_slow_store_delays_and_reorders_nothing(stage: Stage) -> None:
    """Two changes wait for the disk; neither is acknowledged or seen before it is kept, and they come in order."""
    desk, phone = stage.sign_in("alice", "alice")
    number = desk.contacts.number
    stage.disk.slow_down()

    first, second = desk.adds(BOB), phone.adds_group("Friends")

    assert first.is_pending
    assert second.is_pending
    assert phone.contacts.people == {}
    stage.disk.catch_up()
    stage.passes(1)
    assert (first.status, second.status) == (200, 200)
    assert desk.contacts.history[-2:] == phone.contacts.history[-2:] == [number + 1, number + 2]


def test_a_note_is_shown_only_when_it_is_kept(stage: Stage) -> None:
    """Between writing and keeping, a power cut could take it away again."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    stage.disk.slow_down()
    published = alice.publishes(note="soon")
    assert published.is_pending
    assert bob.hears(alice).note == ""
    stage.disk.catch_up()
    stage.passes(0.1)
    assert published.status == 200
    assert bob.hears(alice).note == "soon"


def test_a_store_that_answers_nothing_does_not_hold_a_client_for_ever(stage: Stage) -> None:
    """After a while the request is refused, and the connection serves on."""
    stage.expect("was not answered in time")
    alice, bob = stage.sign_in("alice", "bob")
    stage.disk.slow_down()
    waiting = alice.adds(BOB)
    assert alice.pages(bob, "meanwhile").status == 200
    stage.passes(51)
    assert waiting.status == 504
    stage.disk.catch_up()
    stage.passes(1)
    assert stage.tables()["homes held"] == 0
    assert alice.adds("sip:carol@example.com").status == 200
