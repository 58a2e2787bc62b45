"""A client is quick: everything at once, without waiting for an answer. Nobody is refused for that."""

import pytest

from tests.kit.actors import note_body
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage

MANY = 300
PEOPLE = [f"sip:colleague{number}@example.com" for number in range(MANY)]


def statuses(exchanges: list[Exchange]) -> set[int]:
    """Give the statuses of requests that have their final answers."""
    return {one.status for one in exchanges}


def all_at_once(stage: Stage) -> None:
    """Let the disk be slow for a while, so that requests pile up, and then do its work."""
    stage.passes(1)
    while len(stage.disk):
        stage.disk.do_one()
        stage.settle()
    stage.disk.catch_up()
    stage.passes(5)


@pytest.mark.untraced
def test_a_group_of_three_hundred_is_added_and_removed_at_once(stage: Stage) -> None:
    """Each contact is answered 200 though the disk is slow, and the next sign-in shows the right list."""
    (alice,) = stage.sign_in("alice")
    for verb, left in (("adds", MANY), ("removes", 0)):
        stage.disk.slow_down()
        with alice.in_one_breath():
            exchanges = [getattr(alice, verb)(person) for person in PEOPLE]
        all_at_once(stage)
        assert statuses(exchanges) == {200}
        stage.kill()
        stage.start()
        (alice,) = stage.sign_in("alice")
        assert len(alice.contacts.people) == left


def test_three_hundred_subscriptions_at_once(stage: Stage) -> None:
    """Old clients ask for each contact by itself."""
    (alice,) = stage.sign_in("alice")
    stage.disk.slow_down()
    with alice.in_one_breath():
        exchanges = [alice.watches(person) for person in PEOPLE]
    all_at_once(stage)
    assert statuses(exchanges) == {200}


def test_three_hundred_messages_at_once(stage: Stage) -> None:
    """They arrive, in order, though their receiver takes one at a time."""
    alice, bob = stage.sign_in("alice", "bob")
    with alice.in_one_breath():
        exchanges = [alice.pages(bob, str(number)) for number in range(MANY)]
    stage.passes(5)
    assert statuses(exchanges) == {200}
    assert [text.words for text in bob.texts] == [str(number) for number in range(MANY)]


def test_three_hundred_notes_at_once(stage: Stage) -> None:
    """The last one is what her colleague sees."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    stage.disk.slow_down()
    exchanges = []
    with alice.in_one_breath():
        for number in range(MANY):
            alice.own.versions["note", 0, 200] = number  # as it will be when this one's turn comes
            exchanges.append(alice.publishes_raw((("note", 0, 200), "static", note_body(str(number)))))
    all_at_once(stage)
    assert statuses(exchanges) == {200}
    assert bob.hears(alice).note == str(MANY - 1)


def test_two_who_write_to_each_other_without_a_pause(stage: Stage) -> None:
    """Each waits for the other's answers, and both get them."""
    alice, bob = stage.sign_in("alice", "bob")
    with alice.in_one_breath(), bob.in_one_breath():
        hers = [alice.pages(bob, f"a{number}") for number in range(MANY)]
        his = [bob.pages(alice, f"b{number}") for number in range(MANY)]
    stage.passes(30)
    assert statuses(hers) == statuses(his) == {200}
