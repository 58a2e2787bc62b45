"""`voice rules`: what the call handling rules that a client has published make of a call."""

import pytest

from tests.kit.actors import Actor
from tests.kit.call_rules import named, rules
from tests.kit.stage import Stage

NOW = "their devices"


@pytest.fixture
def bob(stage: Stage) -> Actor:
    """Bob is signed in, and so is Carol."""
    _, bob = stage.sign_in("carol", "bob")
    return bob


def told(stage: Stage, line: str = "voice rules bob alice") -> list[tuple[object, ...]]:
    """Give what would be done, without what the caller hears meanwhile."""
    return [row for row in stage.shell(line).rows if row[1] != "the caller hears"]


def test_who_has_no_rules_is_called_on_all_devices(stage: Stage, bob: Actor) -> None:
    """Until the call counts as unanswered."""
    assert told(stage) == [(0.0, "rings", NOW), (180.0, "rings no more", NOW), (180.0, "refused", "480 (13002)")]
    assert told(stage, "voice rules dave alice") == [(0.0, "rings", NOW), (0.0, "refused", "480 (13002)")]


def test_the_rules_of_the_caller_s_level_count(stage: Stage, bob: Actor) -> None:
    """A team for colleagues; who is not signed in is passed over, and a friend is forwarded."""
    team = rules("team_ring", named("team", "sip:carol@example.com", " sip:dave@example.com"))
    friend = rules("forward_immediate enablecf", named("forwardto", "tel:+15550199"))
    bob.publishes_raw((("routing", 0, 200), "static", team), (("routing", 0, 400), "static", friend))
    assert told(stage) == [
        (0.0, "rings", NOW),
        (7.0, "rings", "carol@example.com"),
        (7.0, "rings", "dave@example.com"),
        (17.0, "rings no more", NOW),
        (17.0, "rings no more", "carol@example.com"),
        (17.0, "refused", "480 (13002)"),
    ]
    assert told(stage, "voice rules bob carol")[0] == (0.0, "rings", NOW)
    assert told(stage, "voice rules bob alice --gives-up 3") == [(0.0, "rings", NOW), (3.0, "rings no more", NOW)]
    (alice,) = stage.sign_in("alice")
    bob.allows(alice, 400)
    assert told(stage)[0] == (0.0, "rings", "+15550199")


def test_who_does_not_want_to_be_disturbed_is_reached_by_whom_they_say(stage: Stage, bob: Actor) -> None:
    """Others ring nobody; a blocked caller hears that the user is offline."""
    bob.publishes(availability=9500)
    assert told(stage) == [(0.0, "refused", "480 (13002)")]
    through = rules("", named("breakthrough", "sip:alice@example.com"))
    bob.publishes_raw((("routing", 1, 200), "static", through))
    assert told(stage)[0] == (0.0, "rings", NOW)
    (alice,) = stage.sign_in("alice")
    bob.blocks(alice)
    assert told(stage) == [(0.0, "blocked", "alice@example.com")]
