"""When watchers are told: gathered in bursts, later if somebody publishes too fast, the latest if they read slowly."""

from typing import Any

import pytest

from lyncpy.contracts.facts import FlowClosed, FlowDrained
from lyncpy.contracts.names import aor_of
from lyncpy.contracts.refusal import StoreUnavailable
from tests.kit.hall import DOMAIN
from tests.kit.presence import Client, PresenceRoom, availability, note, people, publication


def says(client: Client, text: str, version: int) -> None:
    """Publish a note for colleagues, and let no time pass."""
    body = publication("note", 0, 200, note(text), version=version)
    room_type = "application/msrtc-category-publish+xml"
    inner = f'<publications uri="{client.device.uri}">{body}</publications>'
    whole = f'<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence">{inner}</publish>'
    assert client.device.service(room_type, whole.encode()).status == 200


def note_in(view: Any) -> str:
    """Give the note of a document."""
    return str(view.findtext(".//category[@name='note']/note/body"))


def room_of(*users: str, **settings: Any) -> tuple[PresenceRoom, list[Client]]:
    """A room with these people signed in; the last watches all others."""
    room = PresenceRoom(people(*users), **settings)
    clients = [room.sign_in(user) for user in users]
    assert clients[-1].watches(*users[:-1]).status == 200
    for one in clients:
        one.allows(200, 0, '<member action="add" type="sameEnterprise"/>')
    room.pass_time()
    clients[-1].hears()
    return room, clients


def test_a_burst_becomes_one_notification_of_the_latest() -> None:
    """Twenty changes within a moment are told once, as they are at its end."""
    room, (alice, bob) = room_of("alice", "bob", gather_ms=100)
    for number in range(20):
        says(alice, f"note {number}", number)
    assert bob.hears() == []
    room.hall.clock.advance(0.1)
    assert [note_in(one) for one in bob.hears()] == ["note 19"]


def test_a_stream_of_changes_does_not_put_it_off_for_ever() -> None:
    """Who changes something every twenty milliseconds is heard of every tenth of a second."""
    room, (alice, bob) = room_of("alice", "bob", gather_ms=100)
    for number in range(50):
        says(alice, f"note {number}", number)
        room.hall.clock.advance(0.02)
    assert 8 <= len(bob.hears()) <= 10


def test_a_device_that_publishes_too_fast_is_told_of_less_often() -> None:
    """Nothing is refused, nothing is lost; the shell names the device, its client and what it cost."""
    room, (alice, bob) = room_of("alice", "bob", publications_burst=10, publications_per_minute=6)
    for number in range(30):
        says(alice, f"note {number}", number)
        room.hall.clock.advance(0.2)
    heard = [note_in(one) for one in bob.hears()]
    assert len(heard) < 15
    room.pass_time(6.0)
    assert note_in(bob.hears()[-1]) == "note 29"
    top = room.hall.asked("presence top")
    [row] = [row for row in top.rows if row[0] == f"alice@{DOMAIN}"]
    assert row[1:3] == ("abb2cb12b77f", "Test")
    published, notified, limited = (int(str(cell)) for cell in row[3:6])
    assert published >= 30
    assert 0 < notified <= 20
    assert limited >= 20


def test_another_device_does_not_wait_for_one_that_publishes_too_fast() -> None:
    """Alice's phone is told of at once, while Alice's broken desktop client is held up."""
    room, (alice, bob) = room_of("alice", "bob", publications_burst=10, publications_per_minute=6)
    for number in range(20):
        says(alice, f"note {number}", number)
    room.hall.clock.advance(0.2)
    bob.hears()
    says(alice, "late", 20)
    room.hall.clock.advance(0.2)
    assert bob.hears() == []
    says(room.sign_in("alice", "bbbbbbbbbbbb"), "in time", 21)
    room.hall.clock.advance(0.2)
    assert [note_in(one) for one in bob.hears()] == ["in time"]
    room.pass_time(10.0)
    assert bob.hears() == [], "what was told need not be told again"


def test_a_device_that_left_is_not_in_the_list() -> None:
    """`presence top` shows who is there."""
    room, (alice, _) = room_of("alice", "bob")
    says(alice, "bye", 0)
    room.sign_out(alice)
    assert all(row[0] != f"alice@{DOMAIN}" for row in room.hall.asked("presence top").rows)


@pytest.mark.untraced
def test_a_watcher_who_does_not_read_is_told_the_latest_of_each_when_he_does() -> None:
    """Of two thousand changes of fifty people they hear of each person once, and then of everything again."""
    users = [f"user{number}" for number in range(50)]
    room, clients = room_of(*users, "bob")
    bob, full = clients[-1], room.hall.outbound.full
    full.add(bob.device.flow)
    for number in range(40):
        for client in clients[:-1]:
            says(client, f"note {number}", number)
        room.hall.clock.advance(0.1)
    assert bob.hears() == []
    full.clear()
    room.hall.bus.tell(FlowDrained(bob.device.flow))
    room.pass_time()
    heard = bob.hears()
    assert sorted(one.get("uri") for one in heard) == sorted(f"sip:{user}@{DOMAIN}" for user in users)
    assert {note_in(one) for one in heard} == {"note 39"}
    says(clients[0], "more", 40)
    room.pass_time()
    assert [note_in(one) for one in bob.hears()] == ["more"]


def test_only_what_is_news_is_told_afterwards() -> None:
    """Who missed a note is told of the note, not of everything."""
    room, (alice, bob) = room_of("alice", "bob")
    room.hall.outbound.full.add(bob.device.flow)
    says(alice, "missed", 0)
    room.pass_time()
    room.hall.outbound.full.clear()
    room.hall.bus.tell(FlowDrained(bob.device.flow))
    room.pass_time()
    [view] = bob.hears()
    assert [one.get("name") for one in view.iter("category")] == ["note"]


def test_a_level_that_changed_meanwhile_decides_what_is_told() -> None:
    """Who was blocked while they did not read hears what was left at that moment, and nothing of what was said later."""
    room, (alice, bob) = room_of("alice", "bob")
    alice.comes_online()
    bob.hears()
    room.hall.outbound.full.add(bob.device.flow)
    says(alice, "left", 0)
    room.pass_time()
    alice.allows(32000, 0, f'<member action="add" type="user" value="bob@{DOMAIN}"/>')
    says(alice, "secret", 1)
    room.hall.outbound.full.clear()
    room.hall.bus.tell(FlowDrained(bob.device.flow))
    room.pass_time()
    [view] = bob.hears()
    assert availability(view) == 18000 or availability(view) == 18500
    assert note_in(view) == "left"


@pytest.mark.parametrize("ended", [True, False])
def test_nothing_is_owed_to_who_has_left(ended: bool) -> None:
    """A connection that closed, or a subscription that ended, is told nothing more."""
    room, (alice, bob) = room_of("alice", "bob")
    room.hall.outbound.full.add(bob.device.flow)
    says(alice, "missed", 0)
    room.pass_time()
    if ended:
        bob.watches(expires=0)
    else:
        room.hall.bus.tell(FlowClosed(bob.device.flow, "gone"))
        room.pass_time()
    told = len(bob.hears())
    room.hall.outbound.full.clear()
    room.hall.bus.tell(FlowDrained(bob.device.flow))
    room.pass_time()
    assert (told, bob.hears()) == (0, [])


def test_what_does_not_fit_waits_for_the_next_time() -> None:
    """A connection that is full again after the first document is told the rest when it has drained again."""
    room, (alice, carol, bob) = room_of("alice", "carol", "bob")
    outbound, flow = room.hall.outbound, bob.device.flow
    outbound.full.add(flow)
    says(alice, "one", 0)
    says(carol, "two", 0)
    room.pass_time()
    room.hall.bus.tell(FlowDrained(flow))
    room.pass_time()
    assert bob.hears() == []
    outbound.full.clear()
    room.hall.bus.tell(FlowDrained(flow))
    room.pass_time()
    assert [note_in(one) for one in bob.hears()] == ["one", "two"]
    assert aor_of(alice.device.uri) in room.hall.notifier.subscriptions_of("presence", bob.device.who.aor)[0].data


# --- the user's own devices


def own(client: Client) -> list[Any]:
    """Give what a device was told of its own user's board since it was asked last."""
    return [one for one in client.hears() if one.tag == "roamingData"]


def two_devices() -> tuple[PresenceRoom, Client, Client]:
    """A room where Alice is signed in on two devices; the second one's connection is full."""
    room = PresenceRoom(people("alice"))
    desk, phone = room.sign_in("alice"), room.sign_in("alice", "bbbbbbbbbbbb")
    for one in (desk, phone):
        one.sees_itself()
    room.pass_time()
    phone.hears()
    room.hall.outbound.full.add(phone.device.flow)
    return room, desk, phone


def drain(room: PresenceRoom, client: Client) -> None:
    """Let a device read on."""
    room.hall.outbound.full.discard(client.device.flow)
    room.hall.bus.tell(FlowDrained(client.device.flow))
    room.pass_time()


def test_an_own_device_that_does_not_read_is_told_the_latest_when_it_does() -> None:
    """Of forty notes from the desk the phone hears the last one, and of the level that was changed, at once."""
    room, desk, phone = two_devices()
    for number in range(40):
        says(desk, f"note {number}", number)
        room.pass_time()
    desk.allows(32000, 0, f'<member action="add" type="user" value="bob@{DOMAIN}"/>')
    room.pass_time()
    assert own(phone) == []
    drain(room, phone)
    [told] = own(phone)
    assert told.findtext(".//category[@name='note']/note/body") == "note 39"
    assert told.find(".//container[@id='32000']/member") is not None
    says(desk, "more", 40)
    room.pass_time()
    [told] = own(phone)
    assert told.find(".//container") is None, "what was told need not be told again"


def test_an_own_device_that_asked_again_or_left_is_owed_nothing() -> None:
    """The answer to its SUBSCRIBE told it all; one that is gone is told nothing."""
    room, desk, phone = two_devices()
    says(desk, "hello", 0)
    room.pass_time()
    phone.device.subscribe("vnd-microsoft-roaming-self", expires=0)
    drain(room, phone)
    assert own(phone) == []


def test_what_an_own_device_is_owed_outlasts_a_broken_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the board cannot be read, it is read again later."""
    room, desk, phone = two_devices()
    says(desk, "hello", 0)
    room.pass_time()
    boards = room.workload.boards

    async def fails(_: object) -> object:
        raise StoreUnavailable("broken")

    with monkeypatch.context() as patch:
        patch.setattr(boards, "peek", lambda _: None)
        patch.setattr(boards, "latest", fails)
        drain(room, phone)
    assert own(phone) == []
    room.pass_time(31.0)
    [told] = own(phone)
    assert told.findtext(".//category[@name='note']/note/body") == "hello"
