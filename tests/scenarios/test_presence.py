"""Presence: what somebody publishes, who sees it, and how it ends."""

from collections.abc import Iterable

import pytest

from lyncpy.workloads.presence import presentities
from lyncpy.workloads.presence.bodies.categories import write_view
from lyncpy.workloads.presence.model.audience import Audience
from lyncpy.workloads.presence.model.board import Board
from tests.kit.actors import NOTE_CONTAINERS, PRESENCE, SELF
from tests.kit.stage import Stage


def test_colleagues_see_each_other_at_once(stage: Stage) -> None:
    """Two people who have set up nothing see each other available."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    assert bob.hears(alice).availability == "available"


@pytest.mark.parametrize(
    ("number", "word"),
    [(3500, "available"), (6500, "busy"), (9500, "do not disturb"), (12500, "be right back"), (15500, "away"), (18500, "offline")],
)  # fmt: skip
def test_a_watcher_sees_every_state(stage: Stage, number: int, word: str) -> None:
    """Whatever Alice chooses, Bob sees, and so does Alice."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    assert alice.publishes(number).status == 200
    assert bob.hears(alice).availability == word
    assert alice.own.number() == number


def test_a_watcher_sees_only_its_container(stage: Stage) -> None:
    """Bob, a colleague, sees Alice's note; Mallory, blocked, sees only that she is offline."""
    alice, bob, mallory = stage.sign_in("alice", "bob", "mallory")
    alice.allows(bob, container=200)
    alice.allows(mallory, container=32000)
    bob.watches(alice)
    mallory.watches(alice)

    alice.publishes(note="in the library", container=200)

    assert bob.hears(alice).note == "in the library"
    assert mallory.hears(alice).availability == "offline"
    assert mallory.hears(alice).note == ""


def test_a_note_for_friends_is_not_for_colleagues(stage: Stage) -> None:
    """What is in the container of friends, colleagues never hear of."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    alice.allows(bob, container=400)
    for watcher in (bob, carol):
        watcher.watches(alice)
    before = len(carol.others.told)

    alice.publishes(note="party at eight", container=400)

    assert bob.hears(alice).note == "party at eight"
    assert carol.hears(alice).note == ""
    assert len(carol.others.told) == before


def test_a_watcher_who_is_blocked_sees_offline_at_once(stage: Stage) -> None:
    """With what was left at that moment; and all again as soon as the block is lifted."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.publishes(note="hello")
    bob.watches(alice)
    alice.blocks(bob)
    alice.publishes(note="goodbye")
    assert bob.hears(alice).availability == "offline"
    assert bob.hears(alice).note == "hello"
    assert bob.hears(alice).name == "Alice"

    alice.allows(bob, container=300)

    assert bob.hears(alice).availability == "available"
    assert bob.hears(alice).note == "goodbye"


def test_who_is_blocked_cannot_tell_it_from_offline(stage: Stage) -> None:
    """An IM and an INVITE to the one who blocks fail exactly as to somebody who is not there."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.blocks(bob)

    def refusals(callee: str) -> list[tuple[int, int, set[str]]]:
        exchanges = [bob.pages(callee, "hello?"), bob.invites(callee).exchange]
        return [(one.status, one.diagnostics, {name for name, _ in one.answer.headers}) for one in exchanges if one]

    assert refusals(alice.aor) == refusals("sip:carol@example.com")
    assert refusals(alice.aor)[0][0] == 480
    assert alice.texts == []


def test_a_note_comes_and_goes(stage: Stage) -> None:
    """A note is seen until it is taken away."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    alice.publishes(note="at lunch")
    assert bob.hears(alice).note == "at lunch"
    assert alice.publishes(note="").status == 200
    assert bob.hears(alice).note == ""
    assert not [key for key in alice.own.versions if key[0] == "note"]


def test_a_note_for_a_time_ends_by_itself(stage: Stage) -> None:
    """Bob sees it for ten minutes, and then hears that it is gone."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    alice.publishes(note="back in ten minutes", lasts_s=600)
    assert bob.hears(alice).note == "back in ten minutes"
    stage.passes(601)
    assert bob.hears(alice).note == ""


def test_a_note_outlives_its_author_s_connection(stage: Stage) -> None:
    """Bob reads it although Alice has gone home."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.publishes(note="gone home")
    alice.signs_out()
    bob.watches(alice)
    seen = bob.hears(alice)
    assert (seen.availability, seen.note) == ("offline", "gone home")


def test_a_stale_publication_is_refused_and_then_mended(stage: Stage) -> None:
    """Her phone has not heard of the note from her desk; it learns the current version, and its next try is taken."""
    desk, phone = stage.sign_in("alice", "alice")
    (bob,) = stage.sign_in("bob")
    bob.watches(desk)
    desk.publishes(note="first")
    for container in NOTE_CONTAINERS:
        del phone.own.versions["note", 0, container]

    refused = phone.publishes(note="second")

    assert refused.status == 409
    assert b"<Faultcode>Client.BadCall.WrongDelta</Faultcode>" in refused.answer.body
    assert bob.hears(desk).note == "first"  # all or nothing
    assert phone.publishes(note="second").status == 200
    assert bob.hears(desk).note == "second"


def test_a_client_that_insists_is_let_have_its_way(stage: Stage) -> None:
    """A real client may throw the version of the fault away and repeat itself without end; the second time it is taken."""
    (alice,) = stage.sign_in("alice")
    alice.publishes(note="one")
    stale = {("note", 0, container): 5 for container in NOTE_CONTAINERS}
    alice.own.versions.update(stale)
    assert alice.publishes(note="two").status == 409
    alice.own.versions.update(stale)
    assert alice.publishes(note="two").status == 200
    assert alice.own.note() == "two"


def test_two_devices_add_up_to_one_state(stage: Stage) -> None:
    """The desk is abandoned, the laptop in use: Alice is available. When the laptop goes, she is away."""
    desk, laptop = stage.sign_in("alice", "alice")
    (bob,) = stage.sign_in("bob")
    bob.watches(desk)
    desk.publishes(3500, machine=15500)
    assert bob.hears(desk).availability == "available"
    assert desk.own.devices() == laptop.own.devices() == 2

    laptop.is_cut_off()

    assert bob.hears(desk).availability == "away"
    assert desk.own.devices() == 1


def test_a_choice_on_one_device_counts_on_all(stage: Stage) -> None:
    """Busy, said at the desk, is what the laptop shows too, and what it publishes on."""
    desk, laptop = stage.sign_in("alice", "alice")
    desk.publishes(6500)
    stage.passes(1)
    assert laptop.own.number() == 6500
    assert laptop.publishes(3500).status == 200
    stage.passes(1)
    assert desk.own.number() == 3500


def test_what_a_device_published_goes_with_its_connection(stage: Stage) -> None:
    """The machine's state and the device itself; what the person chose stays for the next time."""
    desk, laptop = stage.sign_in("alice", "alice")
    laptop.is_cut_off()
    stage.passes(1)
    number = int(laptop.sip.epid[:8], 16)
    kept = {key[1] for key in desk.own.versions if key[0] in ("state", "device")}
    assert number not in kept
    assert number >> 4 | 0x30000000 not in kept
    assert 0x20000000 in kept


def test_a_user_is_offline_when_his_last_device_is_gone(stage: Stage) -> None:
    """One of two devices changes nothing, the last one does."""
    desk, laptop = stage.sign_in("alice", "alice")
    (bob,) = stage.sign_in("bob")
    bob.watches(desk)
    laptop.is_cut_off()
    assert bob.hears(desk).availability == "available"
    desk.is_cut_off()
    assert bob.hears(desk).availability == "offline"


def test_a_vanished_device_is_noticed(stage: Stage) -> None:
    """Nobody says goodbye when the cable is pulled: the server finds out by silence, and Bob sees it."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    alice.sip.connect().vanish()
    stage.passes(960)
    assert bob.hears(alice).availability == "offline"


def test_a_user_hears_who_is_on_the_phone(stage: Stage) -> None:
    """A call adds its activity to what others see, for as long as it lasts."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    key = ("state", 0x80000001, 2)
    alice.publishes_raw((key, "endpoint", PHONE), (("state", 0x80000001, 3), "endpoint", PHONE))
    seen = bob.hears(alice)
    assert (seen.availability, seen.activity) == ("busy", "on-the-phone")
    alice.publishes_raw((key, "endpoint", ""), (("state", 0x80000001, 3), "endpoint", ""))
    assert bob.hears(alice).availability == "available"


def test_nobody_publishes_for_another(stage: Stage) -> None:
    """Mallory may write on her own board only."""
    alice, mallory = stage.sign_in("alice", "mallory")
    body = (
        b'<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence"><publications uri="sip:alice@example.com">'
        b'<publication categoryName="note" instance="0" container="200" version="0" expireType="static"><note/>'
        b"</publication></publications></publish>"
    )
    for to in ("", alice.aor):
        assert mallory.sip.service("application/msrtc-category-publish+xml", body, to=to).status == 403


# --- watching


def test_a_contact_is_added_to_the_watched_ones(stage: Stage) -> None:
    """A later batch in the same dialog names only the new one; the others are watched on."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    alice.watches(bob)
    first = alice.sip.subscriptions[PRESENCE]
    alice.watches(carol)
    assert alice.sip.subscriptions[PRESENCE] is first
    bob.publishes(6500)
    carol.publishes(9500)
    assert (alice.hears(bob).availability, alice.hears(carol).availability) == ("busy", "do not disturb")


def test_watching_somebody_who_does_not_exist_costs_nothing(stage: Stage) -> None:
    """He is offline, and everybody else in the batch is seen."""
    alice, bob = stage.sign_in("alice", "bob")
    assert alice.watches("sip:nobody@example.com", bob).status == 200
    assert alice.hears("sip:nobody@example.com").availability == "offline"
    assert alice.hears(bob).availability == "available"


def test_a_refreshed_subscription_goes_on(stage: Stage) -> None:
    """The answer to a refresh brings everything anew, and later changes come as before."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    stage.passes(600)
    before = len(alice.others.told)
    alice.sip.subscribe(PRESENCE)
    stage.passes(0.1)
    assert len(alice.others.told) == before + 1
    bob.publishes(6500)
    assert alice.hears(bob).availability == "busy"


def test_a_subscription_that_nobody_refreshes_lapses(stage: Stage) -> None:
    """The client is told, and hears no more of it."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    for _ in range(6):
        stage.passes(5000)
        for actor in (alice, bob):
            actor.sip.keys.restart()
            actor.sip.register()
        bob.sip.subscribe(SELF)
    stage.passes(5000)
    assert PRESENCE not in alice.sip.subscriptions
    before = len(alice.others.told)
    bob.publishes(6500)
    stage.passes(1)
    assert len(alice.others.told) == before


def test_a_client_that_ends_its_subscription_hears_no_more(stage: Stage) -> None:
    """Expires 0 in the dialog ends it."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    ended = alice.sip.subscribe(PRESENCE, expires=0)
    stage.passes(0.1)
    assert ended.status == 200
    before = len(alice.others.told)
    bob.publishes(6500)
    stage.passes(1)
    assert len(alice.others.told) == before


def test_asking_once_is_no_subscription(stage: Stage) -> None:
    """A poll is answered with what is seen now; nothing follows."""
    alice, bob = stage.sign_in("alice", "bob")
    before = stage.tables()["subscriptions"]
    polled = alice.sip.subscribe(PRESENCE, to=bob.aor, expires=0)
    stage.passes(0.1)
    assert polled.status == 200
    assert alice.hears(bob).availability == "available"
    assert stage.tables()["subscriptions"] == before


# --- what the directory says


def test_a_contact_card_comes_from_the_directory(stage: Stage) -> None:
    """Name and title are there without anybody publishing them, and follow the directory."""
    stage.changes("bob", title="Clerk")
    stage.pulls()
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    assert (alice.hears(bob).name, alice.hears(bob).title) == ("Bob", "Clerk")

    stage.changes("bob", display_name="Bob Builder", title="Head of building")
    stage.pulls()

    assert (alice.hears(bob).name, alice.hears(bob).title) == ("Bob Builder", "Head of building")


# --- many watchers


def test_one_change_is_written_once_for_all_who_see_the_same(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty colleagues and two friends: two documents are written, and all hear."""
    (alice,) = stage.sign_in("alice")
    watchers = [stage.actor(("bob", "carol", "dave", "erin")[number % 4]) for number in range(22)]
    for watcher in watchers:
        watcher.sip.register()
    alice.allows(watchers[0], container=400)
    friends = [watcher for watcher in watchers if watcher.aor == watchers[0].aor]
    for watcher in watchers:
        watcher.watches(alice)
    written = _count_views(monkeypatch)

    alice.publishes(6500)

    assert all(watcher.hears(alice).availability == "busy" for watcher in watchers)
    assert 0 < len(friends) < len(watchers)
    assert len(written) == 2


def test_a_burst_becomes_one_notification(stage: Stage) -> None:
    """Three changes in a breath: Bob hears all of them at once."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    before = len(bob.others.told)
    with alice.in_one_breath():
        alice.publishes(note="on the phone", container=200)
        alice.publishes(12500)
        alice.publishes_raw((("state", 0x80000001, 2), "endpoint", PHONE))
    assert (bob.hears(alice).availability, bob.hears(alice).note) == ("be right back", "on the phone")
    assert len(bob.others.told) == before + 1


def _count_views(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Count how often a watcher's document is written."""
    written: list[object] = []

    def counted(board: Board, seen_by: Audience, categories: Iterable[str]) -> bytes:
        written.append(seen_by)
        return write_view(board, seen_by, categories)

    monkeypatch.setattr(presentities, "write_view", counted)
    return written


PHONE = (
    '<state xmlns="http://schemas.microsoft.com/2006/09/sip/state" manual="false"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="phoneState"><availability>6500</availability>'
    '<activity token="on-the-phone" minAvailability="6500" maxAvailability="8999"/></state>'
)
