"""The server ends, in order or by `kill -9`, and starts again on what it has kept."""

from collections.abc import Callable

import pytest

from tests.kit.stage import Stage

ENDINGS: list[tuple[str, Callable[[Stage], None]]] = [("stopped", Stage.stop), ("killed", Stage.kill)]

either_way = pytest.mark.parametrize("end", [end for _, end in ENDINGS], ids=[name for name, _ in ENDINGS])


@either_way
def test_contacts_are_still_there(stage: Stage, end: Callable[[Stage], None]) -> None:
    """Also the number of the list, from which clients count on."""
    (alice,) = stage.sign_in("alice")
    alice.adds("sip:bob@example.com", name="Bobby")
    alice.adds_group("Friends")
    number, people, groups = alice.contacts.number, alice.contacts.people, alice.contacts.groups

    end(stage)
    stage.start()

    alice.signs_in()
    assert (alice.contacts.number, alice.contacts.people, alice.contacts.groups) == (number, people, groups)


@either_way
def test_notes_and_choices_are_still_there(stage: Stage, end: Callable[[Stage], None]) -> None:
    """What was published to stay is seen again, before its author is back; what devices said is gone with them."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.publishes(6500, note="writing")

    end(stage)
    stage.start()

    bob.signs_in()
    bob.watches(alice)
    assert (bob.hears(alice).availability, bob.hears(alice).note) == ("offline", "writing")
    alice.signs_in()
    assert bob.hears(alice).note == "writing"


@either_way
def test_versions_go_on(stage: Stage, end: Callable[[Stage], None]) -> None:
    """A client that comes back publishes on what it finds, without a conflict."""
    (alice,) = stage.sign_in("alice")
    for text in ("one", "two", "three"):
        alice.publishes(note=text)
    version = alice.own.versions["note", 0, 400]

    end(stage)
    stage.start()

    alice.signs_in()
    assert alice.own.versions["note", 0, 400] == version == 3
    assert alice.publishes(note="four").status == 200
    assert alice.own.versions["note", 0, 400] == 4


@either_way
def test_access_levels_are_still_there(stage: Stage, end: Callable[[Stage], None]) -> None:
    """Who was blocked stays blocked, from the first moment."""
    alice, mallory = stage.sign_in("alice", "mallory")
    alice.blocks(mallory)

    end(stage)
    stage.start()

    alice.signs_in()
    mallory.signs_in()
    mallory.watches(alice)
    assert mallory.hears(alice).availability == "offline"
    assert mallory.pages(alice, "let me in").status == 480


@either_way
def test_open_conversations_are_closed_in_the_records(stage: Stage, end: Callable[[Stage], None]) -> None:
    """No record stays open for ever; it says that the server ended it."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    talk.says("hello")
    stage.passes(2)

    end(stage)
    stage.start()

    (record,) = [one for one in stage.sessions("bob") if one.user1 == alice.aor]
    assert (record.ended_by, record.end_reason, record.user1_messages) == ("server", "restart", 1)
    assert record.ended_at is not None


@either_way
def test_clients_come_back_and_find_each_other(stage: Stage, end: Callable[[Stage], None]) -> None:
    """They lose their connection, sign in again, and talk."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.adds(bob.aor)

    end(stage)
    assert not alice.sip.is_connected
    stage.start()

    alice.signs_in()
    bob.signs_in()
    assert alice.hears(bob).availability == "available"
    assert alice.talks_to(bob)[0].says("back again").status == 200


def test_people_are_known_without_the_directory(stage: Stage) -> None:
    """The directory is down when the server starts: everybody who was known can sign in."""
    stage.directory.down = "no route to host"
    stage.stop()
    stage.start()
    stage.sign_in("alice")
    assert stage.tables()["endpoints"] == 1


def test_a_stopping_server_leaves_nothing_open(stage: Stage) -> None:
    """Connections are closed, and whoever comes is not let in."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.talks_to(bob)
    stage.stop()
    assert not alice.sip.is_connected
    assert stage.tables()["connections"] == 0
    stage.start()


@either_way
def test_nothing_that_was_acknowledged_is_lost(stage: Stage, end: Callable[[Stage], None]) -> None:
    """A change that waits for the disk is not acknowledged; what was acknowledged is there after the end."""
    (alice,) = stage.sign_in("alice")
    alice.adds("sip:bob@example.com")
    stage.disk.slow_down()
    under_way = alice.adds("sip:carol@example.com")
    assert under_way.is_pending

    stage.disk.broken = True
    stage.disk.catch_up()
    end(stage)
    stage.disk.broken = False
    stage.start()

    alice.signs_in()
    assert set(alice.contacts.people) == {"sip:bob@example.com"}
