"""What others hold of somebody who gets another address, and what they hold of others: all of it in one play."""

import re
from collections.abc import Iterator

import pytest

from tests.kit.actors import SELF, Actor
from tests.kit.renames import comes_as, hires, removes, renames, swaps
from tests.kit.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server that believes every removal."""
    with Stage.opened(directory={"removal_share": 1.0}) as stage:
        yield stage


def looks_at_their_own(actor: Actor) -> None:
    """Ask for all that the user's own board has, as a client does at sign-in."""
    kinds = ("categories", "containers", "subscribers", "delegates")
    body = "".join(f'<roaming type="{kind}"/>' for kind in kinds)
    form = "application/vnd-microsoft-roaming-self+xml"
    actor.sip.subscribe(SELF, f"<roamingList>{body}</roamingList>".encode(), form)
    actor.passes(1)


def their_lives(stage: Stage) -> None:
    """Let Alice hold of Bob all that one can hold of another, and something else of Carol; and Bob be hers the same way."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    for one, other in ((alice, bob), (bob, alice)):
        one.adds(other.aor, name="Friend")
        looks_at_their_own(one)
        assert one.names_delegate(other).status == 200
        one.passes(1)
        assert one.allows(other, 400).status == 200
        one.passes(1)
    assert alice.blocks(carol).status == 200
    carol.watches(alice)
    bob.watches(alice)
    stage.passes(2)
    alice.publishes(note="for the family", container=400)
    stage.passes(2)


def held_of(stage: Stage, holder: str, other: str) -> dict[str, bool]:
    """Tell in what of somebody's another address is named."""
    bare = other.removeprefix("sip:")

    def names(line: str) -> bool:
        return re.search(rf"(?<![\w.]){re.escape(bare)}", str(stage.shell(line).rows)) is not None

    return {
        "contacts": names(f"contacts show {holder}"),
        "containers": names(f"presence containers {holder}"),
        "delegates": names(f"presence show {holder}"),
    }


ALL = {"contacts": True, "containers": True, "delegates": True}
NONE = dict.fromkeys(ALL, False)
BLOCKED = {**NONE, "containers": True}


def goes_on(stage: Stage, how: str) -> None:
    """Let the server go on, or begin anew in order or after a kill."""
    stage.passes(4)
    if how:
        (stage.stop if how == "stopped" else stage.kill)()
        stage.start()


@pytest.mark.parametrize("how", ["", "stopped", "killed"])
def test_what_others_hold_of_somebody_follows_them(stage: Stage, how: str) -> None:
    """Contact entry, access level, delegate and block; and what they hold of others is there under their new address."""
    their_lives(stage)
    renames(stage, "bob", "robert")
    renames(stage, "carol", "caroline")
    stage.pulls()
    goes_on(stage, how)
    assert held_of(stage, "alice@example.com", "robert@example.com") == ALL
    assert held_of(stage, "alice@example.com", "caroline@example.com") == BLOCKED
    for former in ("bob@example.com", "carol@example.com"):
        assert held_of(stage, "alice@example.com", former) == NONE
    assert held_of(stage, "robert@example.com", "alice@example.com") == ALL
    robert, caroline = comes_as(stage, "bob", "robert"), comes_as(stage, "carol", "caroline")
    looks_at_their_own(robert)
    assert robert.own.delegates[1] == frozenset({"alice@example.com"})
    for actor in (robert, caroline):
        actor.watches("sip:alice@example.com")
    assert robert.hears("sip:alice@example.com").note == "for the family"
    assert caroline.hears("sip:alice@example.com").availability == "offline"
    # Both hold of Alice what they held, also after it is her turn.
    renames(stage, "alice", "ann")
    stage.pulls()
    goes_on(stage, how)
    assert held_of(stage, "robert@example.com", "ann@example.com") == ALL
    assert held_of(stage, "ann@example.com", "robert@example.com") == ALL
    ann = comes_as(stage, "alice", "ann")
    looks_at_their_own(ann)
    assert ann.own.delegates[1] == frozenset({"robert@example.com"})


@pytest.mark.parametrize("how", ["", "stopped", "killed"])
def test_what_others_hold_of_two_who_swap_addresses_is_not_mixed_up(stage: Stage, how: str) -> None:
    """The friend and delegate stays one, the blocked stays blocked, each under the address of the other."""
    their_lives(stage)
    swaps(stage, "bob", "carol")
    stage.pulls()
    goes_on(stage, how)
    assert held_of(stage, "alice@example.com", "carol@example.com") == ALL
    assert held_of(stage, "alice@example.com", "bob@example.com") == BLOCKED
    assert held_of(stage, "carol@example.com", "alice@example.com") == ALL
    assert held_of(stage, "bob@example.com", "alice@example.com") == NONE
    bob, carol = comes_as(stage, "bob", "carol"), comes_as(stage, "carol", "bob")
    for actor in (bob, carol):
        actor.watches("sip:alice@example.com")
    assert bob.hears("sip:alice@example.com").note == "for the family"
    assert carol.hears("sip:alice@example.com").availability == "offline"


def test_a_delegate_who_left_is_one_again_when_they_return(stage: Stage) -> None:
    """And whoever had their address meanwhile was none."""
    their_lives(stage)
    removes(stage, "bob")
    hires(stage, "bob")
    stage.pulls()
    stage.passes(4)
    assert held_of(stage, "alice@example.com", "bob@example.com") == NONE
    renames(stage, "bob", "robert")
    stage.pulls()
    goes_on(stage, "stopped")
    assert held_of(stage, "alice@example.com", "robert@example.com") == ALL
    assert held_of(stage, "alice@example.com", "bob@example.com") == NONE
