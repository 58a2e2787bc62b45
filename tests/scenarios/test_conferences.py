"""Conferences from the first word to the last, as six people live through them."""

import re
from collections.abc import Iterator

import pytest

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from lyncpy.contracts.records import FocusJoinRecord
from tests.kit.actors import Actor
from tests.kit.fakes import awaited
from tests.kit.meetings import INVITE_TYPE, Seat, asks_factory, code_of, new_conference, outcome_of
from tests.kit.results import result_of
from tests.kit.stage import Stage


def meeting_of(*people: Actor, **how: str) -> tuple[Seat, ...]:
    """Let the first create a conference and all of them join it."""
    first = people[0].meets(**how)
    seats = (first, *(who.joins(first.focus) for who in people[1:]))
    people[0].passes(1)
    return seats


@pytest.fixture
def archiving() -> Iterator[Stage]:
    """A server that archives everybody."""
    with Stage.opened(policies={"archive_internal": True}) as stage:
        yield stage


def id_of(seat: Seat) -> str:
    """Give the conference's id."""
    return seat.focus.rpartition(":")[2]


# --- coming and going


def test_three_people_talk_in_a_conference(stage: Stage) -> None:
    """Who creates it leads it, who joins is seen by all, and what one says the others hear once."""
    first, *others = meeting_of(*stage.sign_in("alice", "bob", "carol"), subject="Lunch")
    for seat in (first, *others):
        assert seat.who_chats() == ["alice", "bob", "carol"]
    assert first.roster[first.client.aor].role == "presenter"
    assert first.roster["sip:bob@example.com"].name == "Bob"
    answer = first.says("hello")
    stage.passes(1)
    assert answer.status == 202
    assert [seat.texts for seat in others] == [[("alice", "hello")]] * 2
    assert first.texts == []


def test_what_everybody_was_shown_in_turn_is_what_there_is(stage: Stage) -> None:
    """Versions never skip, whatever happens together, and all rosters are the same in the end."""
    alice, *others = stage.sign_in("alice", "bob", "carol", "dave", "erin", "frank")
    first = alice.meets()
    seats = [who.seat(first.focus) for who in others]
    for seat in seats:  # all at once: nobody waits for anybody
        seat.client.is_hurried = True
        seat.knocks()
    for seat in seats:
        seat.client.is_hurried = False
    stage.passes(1)
    for seat in seats:
        seat.watches()
        seat.joins_chat()
    stage.passes(1)
    first.promotes("sip:bob@example.com", "attendee")
    seats[1].leaves()
    stage.passes(1)
    for seat in (first, *(one for one in seats if one is not seats[1])):
        assert seat.versions == list(range(1, len(seat.versions) + 1))
        assert seat.roster == first.roster
    assert first.who_chats() == ["alice", "bob", "dave", "erin", "frank"]
    assert first.roster["sip:bob@example.com"].role == "attendee"


def test_people_who_join_together_are_one_notification(stage: Stage) -> None:
    """A roster is not told for each of them alone."""
    alice, *others = stage.sign_in("alice", "bob", "carol", "dave", "erin")
    first = alice.meets()
    stage.passes(1)
    before = len(first.versions)
    for who in others:
        who.sip.is_hurried = True
        who.seat(first.focus).knocks()
        who.sip.is_hurried = False
    stage.passes(1)
    assert len(first.versions) == before + 1


def test_somebody_leaves_and_the_last_one_ends_it(stage: Stage) -> None:
    """Who leaves is taken from every roster; nothing is left of a meeting that all have left."""
    alice, bob = stage.sign_in("alice", "bob")
    first, second = meeting_of(alice, bob)
    second.leaves()
    stage.passes(1)
    assert first.who_chats() == ["alice"]
    assert bob.aor not in first.roster
    first.leaves()
    stage.passes(1)
    assert list(stage.command("conferences").rows) == []
    assert stage.tables()["subscriptions"] == 4  # each device's own two
    assert code_of(alice.seat(first.focus).knocks().answer) == "success"  # it may begin again


def test_who_is_lost_is_out_and_comes_back_as_what_he_was(stage: Stage) -> None:
    """A connection that breaks takes its device out; it joins again, also when the door was shut since."""
    alice, bob = stage.sign_in("alice", "bob")
    first, _ = meeting_of(alice, bob)
    bob.is_cut_off()
    stage.passes(1)
    assert bob.aor not in first.roster
    first.locks()
    bob.signs_in()
    again = bob.joins(first.focus)
    stage.passes(1)
    assert again.who_chats() == ["alice", "bob"]
    assert again.locked


def test_two_devices_of_one_person(stage: Stage) -> None:
    """Both take part under one name; what one of them says the other hears, and one may leave without the other."""
    alice, desk, laptop = stage.sign_in("alice", "bob", "bob")
    first, one, two = meeting_of(alice, desk, laptop)
    assert len(first.roster) == 2
    assert first.roster[desk.aor].media.count("chat") == 2
    one.says("from my desk")
    stage.passes(1)
    assert first.texts == [("bob", "from my desk")]
    assert two.texts == [("bob", "from my desk")]
    one.leaves()
    stage.passes(1)
    assert first.who_chats() == ["alice", "bob"]
    first.says("still there?")
    stage.passes(1)
    assert two.texts[-1] == ("alice", "still there?")


def test_the_same_device_joins_again(stage: Stage) -> None:
    """A client that lost its dialog joins anew and takes its own place; nobody is there twice."""
    alice, bob = stage.sign_in("alice", "bob")
    first, _ = meeting_of(alice, bob)
    bob.seats.clear()
    again = bob.joins(first.focus)
    stage.passes(1)
    assert first.roster[bob.aor].media == ("chat", "focus")
    first.says("once")
    stage.passes(1)
    assert again.texts == [("alice", "once")]


# --- leading


def test_a_presenter_throws_somebody_out(stage: Stage) -> None:
    """He is told so by the end of his chat, hears nothing more, and asks at the door like anybody."""
    first, second, third = meeting_of(*stage.sign_in("alice", "bob", "carol"))
    assert code_of(first.ejects("sip:bob@example.com").answer) == "success"
    stage.passes(1)
    assert second.chat is not None
    assert second.chat.is_over
    assert second.is_over
    assert third.who_chats() == ["alice", "carol"]
    first.says("he is gone")
    stage.passes(1)
    assert second.texts == []
    assert third.texts == [("alice", "he is gone")]


def test_only_presenters_lead(stage: Stage) -> None:
    """An attendee cannot lock, promote, throw out or end; made a presenter he can."""
    first, second, third = meeting_of(*stage.sign_in("alice", "bob", "carol"))
    first.promotes("sip:bob@example.com", "attendee")
    stage.passes(1)
    for attempt in (
        second.locks(),
        second.promotes("sip:bob@example.com"),
        second.ejects("sip:carol@example.com"),
        second.ends(),
    ):
        assert code_of(attempt.answer) == "failure: forbidden"
    first.promotes("sip:bob@example.com")
    stage.passes(1)
    assert second.roster["sip:bob@example.com"].role == "presenter"
    assert code_of(second.ejects("sip:carol@example.com").answer) == "success"
    assert third.is_over


def test_a_locked_meeting_takes_nobody_in(stage: Stage) -> None:
    """Who knocks is told that it is locked; a client that knows lobbies waits; unlocked, it is open again."""
    alice, bob, carol, dave = stage.sign_in("alice", "bob", "carol", "dave")
    first, second = meeting_of(alice, bob)
    first.locks()
    stage.passes(1)
    assert first.locked
    assert second.locked
    refused = carol.seat(first.focus).knocks()
    assert (refused.status, refused.diagnostics) == (403, 3014)
    assert "locked" in (refused.answer.headers.get("ms-diagnostics") or "")
    waiting = dave.seat(first.focus, lobby_capable=True)
    assert code_of(waiting.knocks().answer) == "success"
    waiting.watches()
    assert list(waiting.roster) == [dave.aor]
    assert waiting.joins_chat(second.chat_uri).exchange.status == 403  # type: ignore[union-attr]  # he has asked
    first.locks("false")
    assert code_of(carol.joins(first.focus).knocks().answer) == "success"


def test_the_lobby(stage: Stage) -> None:
    """Presenters see who waits and let him in or not; those who wait see neither the roster nor each other."""
    alice, bob, carol, dave = stage.sign_in("alice", "bob", "carol", "dave")
    first, second = meeting_of(alice, bob)
    first.promotes(bob.aor, "attendee")
    first.locks()
    one, two = (who.seat(first.focus, lobby_capable=True) for who in (carol, dave))
    for seat in (one, two):
        seat.knocks()
        seat.watches()
    stage.passes(1)
    assert {carol.aor, dave.aor} <= set(first.roster)
    assert not {carol.aor, dave.aor} & set(second.roster)
    assert (list(one.roster), list(two.roster)) == ([carol.aor], [dave.aor])
    assert code_of(second.decides_on(carol.aor).answer) == "failure: forbidden"
    first.decides_on(carol.aor)
    first.decides_on(dave.aor, "denied")
    stage.passes(1)
    assert two.is_over
    assert set(one.roster) == {alice.aor, bob.aor, carol.aor}
    one.joins_chat()
    stage.passes(1)
    assert second.who_chats() == ["alice", "bob", "carol"]
    assert dave.aor not in first.roster


def test_nobody_waits_in_the_lobby_for_ever(stage: Stage) -> None:
    """After half an hour he is sent away."""
    alice, bob = stage.sign_in("alice", "bob")
    first = alice.meets()
    first.locks()
    waiting = bob.seat(first.focus, lobby_capable=True)
    waiting.knocks()
    stage.passes(1799)
    assert not waiting.is_over
    stage.passes(5)
    assert waiting.is_over
    assert bob.aor not in first.roster


def test_a_presenter_ends_it_for_all(stage: Stage) -> None:
    """Everybody's chat and dialog end, and nothing of it is left on the server."""
    first, second, third = meeting_of(*stage.sign_in("alice", "bob", "carol"))
    assert code_of(first.ends().answer) == "success"
    stage.passes(40)
    for seat in (first, second, third):
        assert seat.is_over
        assert seat.chat is not None
        assert seat.chat.is_over
    assert list(stage.command("conferences").rows) == []
    assert stage.tables()["requests sent"] == 0


def test_the_organizer_deletes_it_at_the_factory(stage: Stage) -> None:
    """A conference that exists no more ends for those who are in it."""
    first, second = meeting_of(*stage.sign_in("alice", "bob"))
    answer = asks_factory(
        first.client, f'<deleteConference><conferenceKeys confEntity="{first.focus}"/></deleteConference>'
    ).answer
    assert code_of(answer) == "success"
    stage.passes(1)
    assert second.is_over
    assert second.client.user == "bob"
    assert stage.actors[1].seat(first.focus).knocks().status == 404
    (record,) = result_of(awaited(stage.records.conferences()))
    assert record.end_reason == "the conference was deleted"


# --- asking for what is not one's own


def test_the_doors_are_for_participants(stage: Stage) -> None:
    """Who is not in it neither sees the roster nor gets into the chat, nor can he speak in another's dialog."""
    alice, bob, mallory = stage.sign_in("alice", "bob", "mallory")
    first, second = meeting_of(alice, bob)
    outside = mallory.seat(first.focus)
    assert outside.watches().status == 403
    assert outside.joins_chat(first.chat_uri).exchange.status == 403  # type: ignore[union-attr]  # he has asked
    outside.dialog = second.dialog
    assert outside.ends().status == 403  # it says that it is from Bob
    assert second.chat is not None
    assert second.chat.dialog is not None
    forged = second.chat.dialog.next_request("MESSAGE", (), b"I am Bob", "text/plain")
    assert (
        mallory.sip.ask(forged.edited(put=[("From", f"<{mallory.aor}>;tag={second.chat.dialog.local_tag}")])).status
        == 481
    )
    stage.passes(1)
    assert first.texts == []


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("<addUser/>", 400),
        ("<deleteConference/>", 400),
        (
            '<addUser><ci:user xmlns:ci="urn:ietf:params:xml:ns:conference-info" entity="sip:bob@example.com"/></addUser>',
            403,
        ),
        ("", 400),
    ],
)
def test_a_join_that_is_none(stage: Stage, command: str, status: int) -> None:
    """It is refused with a reason, whatever it is, and no meeting is opened for it."""
    (alice,) = stage.sign_in("alice")
    focus = new_conference(alice.sip)
    body = f'<request xmlns="urn:ietf:params:xml:ns:cccp" to="{focus}" from="{alice.aor}" requestId="1">{command}</request>'
    fields = [("Contact", f"<{alice.sip.gruu}>"), ("Content-Type", "application/cccp+xml")]
    exchange = alice.sip.ask(alice.sip.request("INVITE", focus, fields, body.encode()))
    assert exchange.status == status
    assert exchange.diagnostics
    assert list(stage.command("conferences").rows) == []


def test_a_conference_that_is_not_there(stage: Stage) -> None:
    """The client is told so."""
    (alice,) = stage.sign_in("alice")
    exchange = alice.seat("sip:alice@example.com;gruu;opaque=app:conf:focus:id:NOSUCH12").knocks()
    assert (exchange.status, exchange.diagnostics) == (404, 3003)


# --- a chat of two becomes a conference


def test_a_third_person_is_invited_and_the_chat_moves(stage: Stage) -> None:
    """The conversation keeps its name, the old leg ends, and nobody misses a word that was acknowledged."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    talk, peer = alice.talks_to(bob)
    talk.says("shall we ask Carol?")
    first = alice.meets()
    conversation = talk.invite.headers.get("Ms-Conversation-ID") or ""
    for other in (bob, carol):
        assert first.invites(other.aor, conversation).status == 200
    stage.passes(1)
    assert peer.says("one more thing").status == 200  # on the way, in the old leg
    talk.hangs_up()
    stage.passes(1)
    assert peer.is_over
    assert [one.words for one in talk.texts] == ["one more thing"]
    assert first.who_chats() == ["alice", "bob", "carol"]
    invited = [one for one in bob.sip.heard if one.content_type == INVITE_TYPE]
    assert [one.headers.get("Ms-Conversation-ID") for one in invited] == [conversation]
    first.says("here we are")
    stage.passes(1)
    assert bob.seats[-1].texts == [("alice", "here we are")]
    assert carol.seats[-1].texts == [("alice", "here we are")]
    assert len(stage.tables()) and stage.tables()["sessions"] == 0


def test_an_invitation_that_is_refused_leaves_the_chat_as_it_was(stage: Stage) -> None:
    """The two go on talking."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    carol.declines(603)
    talk, peer = alice.talks_to(bob)
    first = alice.meets()
    assert first.invites(carol.aor).status == 603
    talk.says("she does not want to")
    stage.passes(1)
    assert [one.words for one in peer.texts] == ["she does not want to"]


def test_a_watcher_who_refreshes_is_told_all_and_nothing_twice(stage: Stage) -> None:
    """His requests within the dialog reach the conference; the full document is the next one, not the first again."""
    alice, bob = stage.sign_in("alice", "bob")
    first, second = meeting_of(alice, bob)
    before = second.versions[-1]
    assert second.goes_on_watching().status == 200
    assert second.documents[-1].get("state") == "full"
    first.locks()
    stage.passes(1)
    assert second.versions[-2:] == [before + 1, before + 2]
    assert second.goes_on_watching(0).status == 200
    shown = len(second.documents)
    first.locks("false")
    stage.passes(1)
    assert len(second.documents) == shown


def test_a_participant_who_does_not_read_is_shown_the_roster_as_it_is_when_they_do() -> None:
    """However much happens meanwhile the server keeps little for them, and their versions have no gap.

    Carol leaves, Dave comes and Bob himself is promoted while he does not read.
    """
    with Stage.opened(sip={"unwritten_bytes": 65_536}) as stage:
        alice, bob, carol, dave = stage.sign_in("alice", "bob", "carol", "dave")
        first, second, third = meeting_of(alice, bob, carol, subject="s" * 200)
        line, shown = bob.sip.connect(), len(second.documents)
        line.stop_reading()
        for number in range(150):
            first.locks("false" if number % 2 else "true")
            stage.passes(0.2)
            if number == 100:
                third.leaves()
                first.promotes(bob.aor)
        dave.joins(first.focus)
        first.locks()
        stage.passes(1)
        assert len(first.versions) > 150, "who reads is told each time"
        assert bob.sip.is_connected
        assert sum(flow.unwritten_bytes for flow in stage.ground.flows.facts()) < 100_000
        line.read_again()
        stage.passes(1)
        assert second.roster == first.roster
        assert second.roster.keys() == {alice.aor, bob.aor, dave.aor}
        assert second.locked is True
        assert len(second.documents) - shown < 100
        assert second.documents[-1].get("state") == "partial", (
            "a full one would leave Carol in the roster of real clients"
        )
        first.locks("false")
        stage.passes(1)
        assert second.locked is False
        assert second.versions == list(range(1, len(second.versions) + 1))


def test_who_leaves_without_a_word_to_the_roster_watches_it_no_more(stage: Stage) -> None:
    """The end of his part is the end of his subscription."""
    alice, bob = stage.sign_in("alice", "bob")
    _, second = meeting_of(alice, bob)
    watched = stage.tables()["subscriptions"]
    bob.sip.begin(second.dialog.next_request("BYE"), branch=False)  # type: ignore[union-attr]  # he has joined
    stage.passes(1)
    assert stage.tables()["subscriptions"] == watched - 1


def test_a_group_of_the_directory_is_invited_under_its_address() -> None:
    """Its members come, each by himself; of a group with more than the limit nobody is asked."""
    with Stage.opened(im={"group_members": 3}) as stage:
        keys = {user: f"key-{user}" for user in ("alice", "bob", "carol", "dave", "erin")}
        team = Group(
            "g-1", "Team", Aor("sip:team@example.com"), frozenset(keys[user] for user in ("alice", "bob", "carol"))
        )
        everybody = Group("g-2", "All", Aor("sip:all@example.com"), frozenset(keys.values()))
        stage.directory.groups = [team, everybody]
        stage.pulls()
        alice, *_ = stage.sign_in("alice", "bob", "carol", "dave")
        first = alice.meets()
        assert first.invites(team.aor).status == 200
        stage.passes(2)
        assert first.who_chats() == ["alice", "bob", "carol"]
        assert first.invites(everybody.aor).status == 403
        stage.passes(2)
        assert first.who_chats() == ["alice", "bob", "carol"]


def test_a_presenter_has_somebody_called_in(stage: Stage) -> None:
    """It takes a while, and the client is told of its end; who was called may come where only the invited may."""
    alice, carol = stage.sign_in("alice", "carol")
    first = alice.meets(policy="closedAuthenticated")
    assert code_of(first.calls_in(carol.aor).answer) == "pending"
    stage.passes(2)
    assert outcome_of(first) == "success"
    assert first.who_chats() == ["alice", "carol"]
    assert code_of(first.calls_in(carol.aor).answer) == "failure: userExists"


def test_who_is_called_in_may_not_want_to(stage: Stage) -> None:
    """The client hears why he does not come, and who has blocked the presenter is not at home."""
    alice, bob, carol, dave = stage.sign_in("alice", "bob", "carol", "dave")
    bob.declines(603)
    carol.declines(486)
    dave.blocks(alice)
    first = alice.meets()
    outcomes = []
    for who in (bob, carol, dave):
        assert code_of(first.calls_in(who.aor).answer) == "pending"
        stage.passes(2)
        outcomes.append(outcome_of(first))
    assert outcomes == ["userDeclined", "userBusy", "userNotAnswered"]
    assert code_of(first.calls_in("sip:nobody@example.com").answer) == "failure: userDoesntExist"
    assert code_of(first.calls_in(bob.aor, "tel:+4930123").answer) == "failure: notSupported"
    assert len(first.responses) == 3


def test_only_presenters_call_people_in(stage: Stage) -> None:
    """An attendee is told so; a call that nobody answers ends, and until then is not made twice."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    first, second = meeting_of(alice, bob)
    first.promotes(bob.aor, "attendee")
    assert code_of(second.calls_in(carol.aor).answer) == "failure: forbidden"
    carol.is_silent()
    assert code_of(first.calls_in(carol.aor).answer) == "pending"
    assert code_of(first.calls_in(carol.aor).answer) == "failure: userExists"
    stage.passes(40)
    assert outcome_of(first) == "userNotAnswered"


def test_nobody_is_called_into_a_meeting_that_is_over(stage: Stage) -> None:
    """The call ends with it."""
    alice, carol = stage.sign_in("alice", "carol")
    carol.is_silent()
    first = alice.meets()
    first.calls_in(carol.aor)
    assert stage.tables()["calls into meetings"] == 1
    first.ends()
    stage.passes(1)
    assert stage.tables()["calls into meetings"] == 0
    assert first.responses == []


# --- surviving


def test_who_comes_while_the_end_is_written_begins_anew(stage: Stage) -> None:
    """On a slow disk the next occurrence is its own: in the records, and after `kill -9`."""
    alice, bob = stage.sign_in("alice", "bob")
    first, _ = meeting_of(alice, bob)
    first.locks()
    bob.seats[-1].leaves()
    stage.disk.slow_down()
    first.leaves()
    stage.passes(1)
    again = alice.seat(first.focus)
    again.knocks()
    stage.disk.catch_up()
    stage.passes(2)
    assert code_of(bob.joins(first.focus).knocks().answer) == "success"  # the lock was the last one's
    ended, running = sorted(result_of(awaited(stage.records.conferences())), key=lambda one: one.ended_at is None)
    assert ended.ended_at is not None
    assert running.ended_at is None
    stage.kill()
    stage.start()
    assert len(stage.command("conferences").rows) == 1


def test_after_kill_9_everybody_comes_back(stage: Stage) -> None:
    """The conference goes on under its URI: the same roles, the same lock, the same occurrence."""
    people = stage.sign_in("alice", "bob", "carol")
    first, *_ = meeting_of(*people)
    first.promotes("sip:bob@example.com", "attendee")
    first.locks()
    stage.kill()
    stage.start()
    for who in people:
        who.seats.clear()
        who.signs_in()
    seats = [who.joins(first.focus) for who in people]
    stage.passes(1)
    for seat in seats:
        assert seat.who_chats() == ["alice", "bob", "carol"]
        assert seat.locked
    assert seats[0].roster["sip:bob@example.com"].role == "attendee"
    seats[1].says("back again")
    stage.passes(1)
    assert seats[2].texts == [("bob", "back again")]
    records = result_of(awaited(stage.records.conferences()))
    assert len(records) == 1
    assert records[0].ended_at is None


def test_what_was_said_before_kill_9_still_counts(stage: Stage) -> None:
    """The records of an occurrence that goes on count on from what they had."""
    alice, bob = stage.sign_in("alice", "bob")
    first, _ = meeting_of(alice, bob)
    first.says("one")
    first.says("two")
    stage.passes(40)
    stage.kill()
    stage.start()
    for who in (alice, bob):
        who.seats.clear()
        who.signs_in()
    again, _ = (who.joins(first.focus) for who in (alice, bob))
    again.says("three")
    stage.passes(40)
    counts = result_of(awaited(stage.records.message_counts()))
    assert {one.user: one.messages for one in counts} == {alice.aor: 3}


def test_after_kill_9_nobody_comes_back(stage: Stage) -> None:
    """The meeting waits for a while, and is over."""
    people = stage.sign_in("alice", "bob")
    meeting_of(*people)
    stage.kill()
    stage.start()
    assert len(stage.command("conferences").rows) == 1
    stage.passes(620)
    assert list(stage.command("conferences").rows) == []
    records = result_of(awaited(stage.records.conferences()))
    assert [one.ended_at is not None for one in records] == [True]


def test_a_disk_that_fails_is_told(stage: Stage) -> None:
    """A lock that cannot be kept is refused and not in force; nobody is let in without being remembered."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    first, second = meeting_of(alice, bob)
    stage.disk.broken = True
    stage.expect("the store fails", "keeping a meeting failed")
    assert first.locks().status == 503
    assert carol.seat(first.focus).knocks().status == 503
    stage.disk.broken = False
    stage.passes(10)
    assert not second.locked
    assert code_of(carol.joins(first.focus).knocks().answer) == "success"


# --- what an operator sees and does


def test_an_operator_sees_and_leads_meetings(stage: Stage) -> None:
    """He lists, shows, locks, lets in, promotes, throws out and ends."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    first, second = meeting_of(alice, bob, subject="Budget")
    first.says("hello")
    stage.passes(1)
    (row,) = stage.command("conferences").rows
    assert row[1:7] == ("alice@example.com", "Budget", "running", 2, 0, 1)
    id_ = id_of(first)
    stage.command("conference lock", id=id_)
    stage.passes(1)
    assert first.locked
    waiting = carol.seat(first.focus, lobby_capable=True)
    waiting.knocks()
    waiting.watches()
    shown = {one[0]: one[2:4] for one in stage.command("conference show", id=id_).rows}
    assert shown["carol@example.com"] == ("presenter", "lobby")
    stage.command("conference admit", id=id_, user="carol@example.com")
    stage.command("conference demote", id=id_, user="bob@example.com")
    stage.passes(1)
    assert second.roster[bob.aor].role == "attendee"
    stage.command("conference eject", id=id_, user="carol@example.com")
    stage.passes(1)
    assert waiting.is_over
    stage.command("conference end", id=id_)
    stage.passes(1)
    assert first.is_over


def test_call_detail_records(stage: Stage) -> None:
    """Conference, dialogs, stays and counts are rows; each has its end."""
    alice, bob = stage.sign_in("alice", "bob")
    first, second = meeting_of(alice, bob)
    first.says("one")
    first.says("two")
    second.says("three")
    first.promotes(bob.aor, "attendee")
    stage.passes(60)
    second.leaves()
    first.leaves()
    stage.passes(5)
    records = stage.records
    (conference,) = result_of(awaited(records.conferences()))
    assert (conference.organizer, conference.uri, conference.end_reason) == (
        alice.aor,
        first.focus,
        "the last participant left",
    )
    assert conference.ended_at is not None
    instance = conference.instance
    sessions = result_of(awaited(records.conference_sessions(instance=instance)))
    assert sorted((one.user, bool(one.mcu_uri), one.response_code) for one in sessions) == sorted(
        (who.aor, mcu, 200) for who in (alice, bob) for mcu in (False, True)
    )
    assert all(one.ended_at is not None and one.call_id and one.to_tag for one in sessions)
    joins: list[FocusJoinRecord] = list(result_of(awaited(records.focus_joins(instance=instance))))
    assert {one.user: one.role for one in joins} == {alice.aor: "presenter", bob.aor: "attendee"}
    assert all(one.left_at is not None and one.left_at > one.joined_at for one in joins)
    assert len(result_of(awaited(records.mcu_joins(instance=instance)))) == 2
    counts = {one.user: one.messages for one in result_of(awaited(records.message_counts(instance=instance)))}
    assert counts == {alice.aor: 2, bob.aor: 1}


def test_nothing_is_left_of_a_day_of_meetings(stage: Stage) -> None:
    """Every table is as it was before."""
    people = stage.sign_in("alice", "bob", "carol")
    stage.passes(60)
    before = stage.tables()
    for _ in range(3):
        seats = meeting_of(*people)
        seats[0].says("hello")
        stage.passes(1)
        for seat in seats:
            seat.leaves()
    stage.passes(120)
    assert stage.tables() == before
    conferencing = stage.unit("conferencing")
    assert len(conferencing.foci) == 0
    assert not re.search(r"[1-9]", f"{len(stage.unit('im').mcu)}")


# --- keeping what was said


def test_a_meeting_is_archived_where_policy_demands_it(archiving: Stage) -> None:
    """Who came, what was said to whom and who left is in the archive, in this order; of others nothing is."""
    alice, bob = archiving.sign_in("alice", "bob")
    first, second = meeting_of(alice, bob)
    first.says("for the record")
    archiving.passes(1)
    second.leaves()
    first.leaves()
    archiving.passes(1)
    table = archiving.command("archive search", user="alice@example.com")
    assert [row[table.columns.index("kind")] for row in table.rows] == ["joined", "joined", "message", "left", "left"]
