"""What others hold of somebody who gets another address without ever naming them: watchers who wait, privacy, groups."""

from collections.abc import Iterator

import pytest

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import aor_of
from tests.kit.actors import SELF, Actor
from tests.kit.renames import comes_as, hires, removes, renames, swaps
from tests.kit.stage import Stage

HOW = pytest.mark.parametrize("how", ["", "stopped", "killed"])


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server that believes every removal."""
    with Stage.opened(directory={"removal_share": 1.0}) as stage:
        yield stage


def goes_on(stage: Stage, how: str) -> None:
    """Let the server go on, or begin anew in order or after a kill."""
    stage.passes(4)
    if how:
        (stage.stop if how == "stopped" else stage.kill)()
        stage.start()


def waiting_for(actor: Actor) -> set[str]:
    """Ask for the watchers of whom the user is to be told, as a client does at sign-in."""
    form = "application/vnd-microsoft-roaming-self+xml"
    actor.sip.subscribe(SELF, b'<roamingList><roaming type="subscribers"/></roamingList>', form)
    actor.passes(1)
    return set(actor.own.subscribers) - set(actor.own.settled)


@HOW
def test_a_watcher_who_waits_to_be_told_of_waits_under_their_new_address(stage: Stage, how: str) -> None:
    """And whom the user knows already is not told of again."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    for one in (bob, carol):
        one.watches(alice)
    stage.passes(2)
    assert waiting_for(alice) == {"bob@example.com", "carol@example.com"}
    assert alice.answers_for(carol).status == 200
    swaps(stage, "bob", "carol")
    stage.pulls()
    goes_on(stage, how)
    assert waiting_for(comes_as(stage, "alice", "alice")) == {"carol@example.com"}
    assert comes_as(stage, "carol", "bob").watches("sip:alice@example.com").status == 200
    stage.passes(2)
    assert waiting_for(comes_as(stage, "alice", "alice")) == {"carol@example.com"}


@HOW
def test_a_watcher_who_left_waits_no_more_until_they_return(stage: Stage, how: str) -> None:
    """Who has the address meanwhile has not asked for anything."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    stage.passes(2)
    removes(stage, "bob")
    hires(stage, "bob")
    stage.pulls()
    goes_on(stage, how)
    assert waiting_for(comes_as(stage, "alice", "alice")) == set()
    renames(stage, "bob", "robert")
    stage.pulls()
    goes_on(stage, how)
    assert waiting_for(comes_as(stage, "alice", "alice")) == {"robert@example.com"}


@HOW
def test_privacy_is_for_people_and_not_for_addresses(how: str) -> None:
    """A contact who has another address is a contact; whoever gets the former one is none."""
    with Stage.opened(directory={"removal_share": 1.0}, policies={"privacy_mode": True}) as stage:
        alice, bob = stage.sign_in("alice", "bob")
        alice.adds(bob.aor)
        stage.passes(2)
        swaps(stage, "bob", "carol")
        stage.pulls()
        goes_on(stage, how)
        comes_as(stage, "alice", "alice")
        friend, stranger = comes_as(stage, "bob", "carol"), comes_as(stage, "carol", "bob")
        for one in (friend, stranger):
            one.watches("sip:alice@example.com")
        stage.passes(2)
        seen = [one.hears("sip:alice@example.com").availability for one in (friend, stranger)]
        assert seen == ["available", "offline"]


@HOW
def test_groups_of_the_directory_have_people_in_them(how: str) -> None:
    """The list that a group makes shows its members under the addresses that they have, and nobody who has a former one."""
    made = {"directory_groups": ["Team"], "department_group": True}
    with Stage.opened(directory={"removal_share": 1.0}, contacts=made) as stage:
        stage.directory.groups = [Group("t", "Team", members=frozenset({"key-alice", "key-bob"}))]
        for user, department in (("alice", "Law"), ("bob", "Law"), ("carol", "Sales")):
            stage.changes(user, department=department)
        stage.pulls()
        (alice,) = stage.sign_in("alice")
        assert set(alice.contacts.people) == {"sip:bob@example.com"}
        groups = alice.contacts.people["sip:bob@example.com"]
        stage.changes("bob", department="Law", aor=aor_of("carol@example.com"))
        stage.changes("carol", department="Sales", aor=aor_of("bob@example.com"))
        stage.pulls()
        goes_on(stage, how)
        alice = comes_as(stage, "alice", "alice")
        assert alice.contacts.people == {"sip:carol@example.com": groups}
        bob = comes_as(stage, "bob", "carol")
        assert set(bob.contacts.people) == {"sip:alice@example.com"}
        assert comes_as(stage, "carol", "bob").contacts.people == {}
