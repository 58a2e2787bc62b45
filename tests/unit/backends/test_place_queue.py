"""What waits by network address: bounds, turns, and when room is free again."""

from dataclasses import dataclass

from lyncpy.backends.place_queue import PLACE, PlaceQueue
from lyncpy.contracts.shares import TOTAL


@dataclass(frozen=True)
class Asked:
    """A question."""

    place: str
    amount: int = 1


def test_one_address_has_a_share_and_all_have_a_bound() -> None:
    """What is refused takes no room."""
    waiting = PlaceQueue[Asked]("auth.ntlm_waiting", 3, 2)
    assert [waiting.put(Asked(place)) for place in ("a", "a", "a", "b", "c")] == ["", "", PLACE, "", TOTAL]
    assert (waiting.excess("a"), waiting.excess("b"), waiting.excess("b", 2)) == (PLACE, TOTAL, PLACE)
    assert len(waiting) == 3


def test_addresses_take_turns() -> None:
    """Whoever asks much waits behind themselves."""
    waiting = PlaceQueue[Asked]("auth.ntlm_waiting", 9, 9)
    for place in ("a", "a", "a", "b"):
        waiting.put(Asked(place))
    assert [waiting.take().place for _ in range(4)] == ["a", "b", "a", "a"]


def test_room_is_free_when_a_question_is_done_and_not_when_its_turn_comes() -> None:
    """What is under way counts."""
    waiting = PlaceQueue[Asked]("auth.ntlm_waiting", 9, 5)
    waiting.put(Asked("a", 4))
    asked = waiting.take()
    assert len(waiting) == 0
    assert waiting.put(Asked("a", 2)) == PLACE
    waiting.done(asked)
    assert waiting.put(Asked("a", 5)) == ""
