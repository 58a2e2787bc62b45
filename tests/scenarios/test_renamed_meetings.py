"""A meeting that runs while people get other addresses: what was given to and taken from each stays theirs."""

from collections.abc import Iterator

import pytest

from tests.kit import holdings
from tests.kit.actors import Actor
from tests.kit.meetings import Seat
from tests.kit.renames import comes_as, hires, removes, renames, renames_domain, swaps
from tests.kit.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server that believes every removal."""
    with Stage.opened(directory={"removal_share": 1.0}) as stage:
        yield stage


def goes_on(stage: Stage, how: str) -> None:
    """Let the server go on, be started anew in order, or be killed and started."""
    stage.passes(2)
    if how == "restarted":
        stage.stop()
    elif how == "killed":
        stage.kill()
    if how:
        stage.start()


def held(stage: Stage) -> tuple[Seat, dict[str, Actor]]:
    """Let Alice hold a meeting where all are presenters, but Bob is made an attendee, Carol is thrown out, Dave stays.

    The door is shut: who was in it may come back.
    """
    people = dict(zip(("alice", "bob", "carol", "dave"), stage.sign_in("alice", "bob", "carol", "dave"), strict=True))
    seat = people["alice"].meets()
    for user in ("bob", "carol", "dave"):
        assert people[user].joins(seat.focus).dialog is not None
    seat.promotes(people["bob"].aor, "attendee")
    seat.ejects(people["carol"].aor)
    seat.locks()
    stage.passes(1)
    assert {aor: one.role for aor, one in seat.roster.items()} == {
        people["alice"].aor: "presenter",
        people["bob"].aor: "attendee",
        people["dave"].aor: "presenter",
    }
    return seat, people


def comes_back(stage: Stage, user: str, other: str, focus: str) -> str:
    """Give as what somebody is in a meeting under the address that they have now; "" when the door is shut to them."""
    actor = comes_as(stage, user, other)
    seat = actor.joins(focus)
    stage.passes(1)
    if seat.dialog is None:
        return ""
    assert actor.aor in seat.roster
    assert seat.chat is not None
    return seat.roster[actor.aor].role


@pytest.mark.parametrize("how", ["", "restarted", "killed"])
def test_what_a_meeting_gave_and_took_follows_a_new_address(stage: Stage, how: str) -> None:
    """Roles, who may come back, and who may not."""
    seat, _ = held(stage)
    for user, other in (("bob", "robert"), ("carol", "caroline"), ("dave", "david")):
        renames(stage, user, other)
    stage.pulls()
    if not how:
        # Who had another address is gone from the roster until they come back under the new one.
        assert set(seat.roster) == {"sip:alice@example.com"}
    goes_on(stage, how)
    assert comes_back(stage, "bob", "robert", seat.focus) == "attendee"
    assert comes_back(stage, "carol", "caroline", seat.focus) == ""
    assert comes_back(stage, "dave", "david", seat.focus) == "presenter"
    if not how:
        assert set(seat.roster) == {f"sip:{user}@example.com" for user in ("alice", "robert", "david")}
        assert seat.who_chats() == ["alice", "david", "robert"]


@pytest.mark.parametrize("how", ["", "restarted", "killed"])
def test_two_who_swap_addresses_have_their_own_part_of_a_meeting(stage: Stage, how: str) -> None:
    """Neither the role nor the shut door of the other."""
    seat, _ = held(stage)
    swaps(stage, "bob", "carol")
    stage.pulls()
    goes_on(stage, how)
    assert comes_back(stage, "carol", "bob", seat.focus) == ""
    assert comes_back(stage, "bob", "carol", seat.focus) == "attendee"


@pytest.mark.parametrize("how", ["", "restarted", "killed"])
def test_an_attendee_and_a_presenter_swap_addresses(stage: Stage, how: str) -> None:
    """Both were in it when it happened."""
    seat, _ = held(stage)
    swaps(stage, "bob", "dave")
    stage.pulls()
    goes_on(stage, how)
    assert comes_back(stage, "dave", "bob", seat.focus) == "presenter"
    assert comes_back(stage, "bob", "dave", seat.focus) == "attendee"


@pytest.mark.parametrize("how", ["", "restarted", "killed"])
def test_a_meeting_whose_organizer_has_another_address_is_still_theirs(stage: Stage, how: str) -> None:
    """They come back as who leads it, what is decided later is kept, and whoever has their address leads nothing."""
    before = holdings.held(stage.unit("conferencing").foci)
    seat, people = held(stage)
    renames(stage, "alice", "ann")
    hires(stage, "alice")
    stage.pulls()
    dave = people["dave"].seats[-1]
    dave.ejects(people["bob"].aor)
    goes_on(stage, how)
    assert comes_back(stage, "bob", "bob", seat.focus) == ""
    assert comes_back(stage, "alice", "alice", seat.focus) == ""
    assert comes_back(stage, "alice", "ann", seat.focus) == "presenter"
    ann = stage.actors[-1].seats[-1]
    ann.ends()
    stage.passes(1)
    conferences = stage.unit("conferencing").conferences
    assert (len(stage.unit("conferencing").foci), conferences.at(seat.focus).active) == (0, None)
    foci = stage.unit("conferencing").foci
    assert holdings.held(foci) == before


def test_a_meeting_whose_organizer_is_gone_is_nobody_elses(stage: Stage) -> None:
    """Neither while it runs, nor when the server starts anew; its end is kept."""
    seat, people = held(stage)
    removes(stage, "alice")
    hires(stage, "alice")
    stage.pulls()
    assert comes_back(stage, "alice", "alice", seat.focus) == ""
    goes_on(stage, "killed")
    assert comes_back(stage, "alice", "alice", seat.focus) == ""
    assert comes_back(stage, "dave", "dave", seat.focus) == "presenter"
    (dave,) = stage.actors[-1].seats
    assert stage.actors[-1].aor == people["dave"].aor
    dave.ends()
    stage.passes(1)
    goes_on(stage, "restarted")
    assert len(stage.unit("conferencing").foci) == 0


@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_a_meeting_goes_on_after_its_domain_is_renamed(stage: Stage, how: str) -> None:
    """Everybody has another address at once, and the server another domain."""
    seat, _ = held(stage)
    org = renames_domain(stage)
    goes_on(stage, how)
    assert comes_back(stage, "carol", f"carol@{org}", seat.focus) == ""
    assert comes_back(stage, "bob", f"bob@{org}", seat.focus) == "attendee"
    assert comes_back(stage, "alice", f"alice@{org}", seat.focus) == "presenter"
    assert set(stage.actors[-1].seats[-1].roster) == {f"sip:alice@{org}", f"sip:bob@{org}"}


def test_a_newcomer_is_not_who_was_in_a_meeting(stage: Stage) -> None:
    """Neither their role nor their way back is theirs; nor does the meeting wait for them."""
    seat, people = held(stage)
    removes(stage, "dave", "bob")
    hires(stage, "dave")
    stage.pulls()
    assert comes_back(stage, "dave", "dave", seat.focus) == ""
    seat.locks("false")
    hires(stage, "bob", "yet another")
    stage.pulls()
    assert comes_back(stage, "bob", "bob", seat.focus) == "presenter"
    assert people["alice"].aor in seat.roster


def test_who_is_called_into_a_meeting_stays_called_under_another_address(stage: Stage) -> None:
    """A presenter has somebody called, who is named otherwise before they come."""
    alice, bob = stage.sign_in("alice", "bob")
    seat = alice.meets(policy="closedAuthenticated")
    bob.lets_it_ring()
    seat.calls_in(bob.aor)
    swaps(stage, "bob", "carol")
    stage.pulls()
    assert comes_back(stage, "carol", "bob", seat.focus) == ""
    assert comes_back(stage, "bob", "carol", seat.focus) != ""
