"""The clock of the server's host is set while people work."""

import pytest

from lyncpy.workloads.directory.pull import STEP_S
from tests.kit.stage import Stage

pytestmark = pytest.mark.steady_clock  # these plays set the clock themselves

YEAR_S = 365 * 86_400.0
STEPS = (-3600.0, -60.0, 60.0, 900.0, 3600.0, YEAR_S, -YEAR_S)


@pytest.mark.parametrize("by", STEPS)
def test_nobody_notices(stage: Stage, by: float) -> None:
    """Who is signed in goes on, who comes is let in, and messages arrive."""
    alice, bob = stage.sign_in("alice", "bob")
    hers, his = alice.talks_to(bob)
    bob.watches(alice)
    stage.step(by)
    stage.passes(20)
    stage.sign_in("carol")
    assert hers.says("still there?").status == 200
    stage.passes(600)
    assert alice.sip.is_connected
    assert bob.sip.is_connected
    assert his.says("yes").status == 200
    alice.publishes(note="on time")
    stage.passes(2)
    assert bob.hears(alice).note == "on time"


@pytest.mark.parametrize("by", STEPS)
def test_a_publication_lives_as_long_as_it_was_granted(stage: Stage, by: float) -> None:
    """Neither for an hour too long nor is it over at once."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    alice.publishes(note="back soon", lasts_s=600)
    stage.passes(5)
    stage.step(by)
    stage.passes(300)
    assert bob.hears(alice).note == "back soon"
    stage.passes(320)
    assert bob.hears(alice).note == ""


@pytest.mark.parametrize("by", [-3600.0, -YEAR_S])
def test_a_note_is_not_for_ever_when_the_server_comes_back_in_the_past(stage: Stage, by: float) -> None:
    """A lifetime is counted from when it is read at the latest, if what was written is of the future; then it is over for good."""
    (alice,) = stage.sign_in("alice")
    alice.publishes(note="back soon", lasts_s=600)
    stage.stop()
    stage.step(by)
    stage.start(clock_is_right=False)
    bob = stage.actor("bob", wall=stage.wall)
    bob.signs_in()
    bob.watches(alice)
    assert bob.hears(alice).note == "back soon"
    stage.passes(700)
    assert bob.hears(alice).note == ""
    stage.stop()
    stage.start(clock_is_right=False)
    bob = stage.actor("bob", number=2, wall=stage.wall)
    bob.signs_in()
    bob.watches(alice)
    assert bob.hears(alice).note == ""


@pytest.mark.parametrize("by", [-3600.0, 900.0, 3600.0])
def test_who_loses_access_loses_it(stage: Stage, by: float) -> None:
    """The next pull reads everything: the directory may have dated what it changed by the same clock."""
    (alice,) = stage.sign_in("alice")
    stage.pulls()
    assert stage.directory.cookies[-1]
    assert abs(by) >= STEP_S
    stage.step(by)
    stage.changes("alice", enabled=False)
    stage.pulls()
    assert not stage.directory.cookies[-1]
    stage.pulls()
    assert stage.directory.cookies[-1]
    stage.passes(60)
    assert not alice.sip.is_connected


def test_a_year_ahead_by_mistake_costs_no_meeting(stage: Stage) -> None:
    """A conference that would be over by then is there meanwhile, and when the clock is right again."""
    (alice,) = stage.sign_in("alice")
    alice.meets().leaves()
    for by in (YEAR_S, -YEAR_S):
        stage.step(by)
        stage.passes(7200)
        assert len(stage.shell("conferences --all").rows) == 1
