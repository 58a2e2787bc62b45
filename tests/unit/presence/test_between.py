"""What changes while a subscription is being answered: none of it is lost, none is told twice, none out of order."""

from collections.abc import Callable
from typing import Any

import pytest

from lyncpy.contracts.facts import FlowDrained
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.notifier import Notifier
from lyncpy.workloads.presence.model.board import Board
from tests.kit.presence import Client, PresenceRoom, note, people, publication, publish_body, views

BLOCK = '<member action="add" type="user" value="bob@contoso.test"/>'


def says(client: Client, text: str, version: int, category: str = "note") -> None:
    """Publish a note for colleagues, and let no time pass."""
    body = publish_body(client.device.uri, publication(category, 0, 200, note(text), version=version))
    assert client.device.service("application/msrtc-category-publish+xml", body).status == 200


def notes(client: Client) -> list[str]:
    """Give the notes that a client was notified of."""
    return [str(one.findtext(".//category[@name='note']/note/body")) for one in client.hears_of_others()]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens, once each, when the boards for a first document are read and its subscription is not registered yet."""
    acts: list[Callable[[], object]] = []
    accept = Notifier.accept

    def accepts(*args: Any, **facts: Any) -> Any:
        if acts:
            acts.pop()()
        return accept(*args, **facts)

    monkeypatch.setattr(Notifier, "accept", accepts)
    return acts


@pytest.fixture
def room(meanwhile: list[Callable[[], object]]) -> PresenceRoom:
    """Four people; of the boards of all, a hundred stay in memory."""
    return PresenceRoom(people("alice", "bob", "carol", "dave"), boards_in_memory=100)


@pytest.mark.parametrize("is_watched", [False, True])
@pytest.mark.parametrize("waits_s", [0.0, 0.02, 0.2, 40.0])
def test_a_change_before_the_subscription_is_registered_is_told_once(
    room: PresenceRoom, meanwhile: list[Callable[[], object]], *, is_watched: bool, waits_s: float
) -> None:
    """Whether others watch, who hear it as ever, and however long it takes."""
    alice, bob, carol = room.sign_in("alice"), room.sign_in("bob", "b1"), room.sign_in("carol", "c1")
    alice.comes_online()
    alice.allows(200, 0, '<member action="add" type="sameEnterprise"/>')
    says(alice, "first", 0)
    room.pass_time()
    if is_watched:
        carol.watches("alice")

    def change() -> None:
        says(alice, "second", 1)
        room.hall.clock.advance(0)
        room.hall.clock.advance(waits_s)

    meanwhile.append(change)
    shown = views(bob.watches("alice", "dave"))["alice"]
    assert shown.findtext(".//category[@name='note']/note/body") == "first"
    room.pass_time()
    assert notes(bob) == ["second"]
    assert notes(carol) == (["second"] if is_watched else [])
    says(alice, "third", 2)
    room.pass_time()
    assert notes(bob) == ["third"]


def test_what_the_first_document_shows_is_not_told_again(room: PresenceRoom) -> None:
    """Alice writes a note, others are about to hear it, and Bob begins to watch."""
    alice, bob, carol = room.sign_in("alice"), room.sign_in("bob", "b1"), room.sign_in("carol", "c1")
    alice.allows(200, 0, '<member action="add" type="sameEnterprise"/>')
    carol.watches("alice")
    says(alice, "shown", 0)
    room.hall.clock.advance(0.01)
    bob.watches("alice")
    says(alice, "other", 0, "calendarData")
    room.pass_time()
    assert notes(carol) == ["shown"]
    [told] = bob.hears_of_others()
    assert [one.get("name") for one in told.iter("category")] == ["calendarData"]


def test_a_block_before_the_subscription_is_registered_is_seen(
    room: PresenceRoom, meanwhile: list[Callable[[], object]]
) -> None:
    """Bob hears of a sign-out, and nothing of what Alice says then."""
    alice, bob = room.sign_in("alice"), room.sign_in("bob", "b1")
    alice.comes_online()
    alice.allows(200, 0, '<member action="add" type="sameEnterprise"/>')
    room.pass_time()

    def block() -> None:
        alice.allows(32000, 0, BLOCK)
        says(alice, "secret", 0)

    meanwhile.append(block)
    bob.watches("alice", "dave")
    room.pass_time()
    [told] = bob.hears_of_others()
    assert "state" in [one.get("name") for one in told.iter("category")]
    assert told.findtext(".//availability") == "18500"
    room.pass_time()
    assert bob.hears_of_others() == []


def test_people_who_come_and_go_before_the_subscription_is_registered(
    room: PresenceRoom, meanwhile: list[Callable[[], object]]
) -> None:
    """The directory removes Alice, and adds them again."""
    alice, bob = room.sign_in("alice"), room.sign_in("bob", "b1")
    alice.comes_online()
    alice.allows(200, 0, '<member action="add" type="sameEnterprise"/>')
    [person] = people("alice")
    meanwhile.append(lambda: room.hall.people.remove(person.aor))
    assert views(bob.watches("alice", "dave"))["alice"].findtext(".//availability") == "3500"
    room.pass_time()
    [gone] = bob.hears_of_others()
    assert gone.findtext(".//availability") != "3500"
    bob.watches("alice")
    room.pass_time()
    bob.hears_of_others()
    meanwhile.append(lambda: room.hall.people.people.append(person))
    bob.watches("alice", "carol")
    room.pass_time()
    [back] = bob.hears_of_others()
    assert back.findtext(".//availability") == "3500"


def test_a_board_that_has_left_the_memory_while_others_were_read(
    room: PresenceRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dave's board is slow; meanwhile Alice's is changed and forgotten. Bob is told what they were not shown."""
    alice, bob = room.sign_in("alice"), room.sign_in("bob", "b1")
    alice.allows(200, 0, '<member action="add" type="sameEnterprise"/>')
    says(alice, "first", 0)
    room.pass_time()
    boards = room.workload.boards
    read = boards.read
    slow = [aor_of("sip:dave@contoso.test")]

    async def reads(aor: Aor) -> Board:
        if slow and aor == slow[0]:
            del slow[:]
            says(alice, "second", 1)
            room.pass_time()
            room.crowd_memory()
            assert boards.peek(aor_of("sip:alice@contoso.test")) is None
        return await read(aor)

    monkeypatch.setattr(boards, "read", reads)
    shown = views(bob.watches("alice", "dave"))["alice"]
    assert shown.findtext(".//category[@name='note']/note/body") == "first"
    room.pass_time()
    assert notes(bob) == ["second"]
    room.pass_time(60.0)
    assert bob.hears_of_others() == []


def test_a_store_that_fails_while_the_difference_is_looked_for(
    room: PresenceRoom, meanwhile: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for again; a change meanwhile is part of it."""
    alice, bob = room.sign_in("alice"), room.sign_in("bob", "b1")
    alice.allows(200, 0, '<member action="add" type="sameEnterprise"/>')
    says(alice, "first", 0)
    room.pass_time()
    meanwhile.append(lambda: says(alice, "second", 1))

    async def fails(_: Aor) -> Board:
        raise StoreUnavailable("broken")

    with monkeypatch.context() as patch:
        patch.setattr(room.workload.boards, "latest", fails)
        bob.watches("alice", "dave")
        room.pass_time()
    assert bob.hears_of_others() == []
    says(alice, "third", 2)
    room.pass_time(1.0)
    assert bob.hears_of_others() == []
    room.pass_time(31.0)
    assert notes(bob) == ["third"]


def test_a_board_that_is_changed_while_a_slow_reader_is_told_what_it_is_owed(
    room: PresenceRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob's connection had no room; while Alice's board is read again Alice writes another note, and Bob hears that one."""
    alice, bob = room.sign_in("alice"), room.sign_in("bob", "b1")
    alice.allows(200, 0, '<member action="add" type="sameEnterprise"/>')
    bob.watches("alice")
    room.hall.outbound.full.add(bob.device.flow)
    says(alice, "missed", 0)
    room.pass_time()
    room.crowd_memory()
    boards = room.workload.boards
    read, rest = boards.read, [1]

    async def reads(aor: Aor) -> Board:
        found = await read(aor)
        while rest:
            says(alice, "latest", rest.pop())
            room.crowd_memory()
        return found

    monkeypatch.setattr(boards, "read", reads)
    room.hall.outbound.full.clear()
    room.hall.bus.tell(FlowDrained(bob.device.flow))
    room.pass_time()
    assert set(notes(bob)) == {"latest"}
