"""What is under way on connections: one each, in time, and never more than there may be."""

from lyncpy.auth.pending import PendingPerConnection
from tests.kit.costs import cpu


def test_a_connection_has_one_and_the_next_takes_its_place() -> None:
    """Another connection has its own."""
    pending = PendingPerConnection[str]("auth.challenges", 10, 60.0)
    assert pending.begin("f/1", "first", 0.0) == "first"
    pending.begin("f/2", "other", 0.0)
    pending.begin("f/1", "second", 1.0)
    assert (pending.get("f/1", 1.0), pending.get("f/2", 1.0), pending.get("f/3", 1.0)) == ("second", "other", None)
    assert len(pending) == 2


def test_what_is_taken_or_dropped_is_gone() -> None:
    """Dropping what is not there does nothing."""
    pending = PendingPerConnection[str]("auth.challenges", 10, 60.0)
    pending.begin("f/1", "first", 0.0)
    assert pending.pop("f/1", 1.0) == "first"
    assert pending.pop("f/1", 1.0) is None
    pending.begin("f/1", "second", 0.0)
    pending.drop("f/1")
    pending.drop("f/1")
    assert pending.get("f/1", 0.0) is None


def test_each_ends_after_its_time() -> None:
    """The second that ends it is not its own any more."""
    pending = PendingPerConnection[str]("auth.challenges", 10, 60.0)
    pending.begin("f/1", "first", 5.0)
    assert pending.get("f/1", 64.9) == "first"
    assert pending.get("f/1", 65.0) is None
    assert pending.pop("f/1", 65.0) is None


def test_those_whose_time_is_over_make_room_before_there_are_too_many() -> None:
    """Two go for each that comes."""
    pending = PendingPerConnection[int]("auth.challenges", 1_000, 60.0)
    for number in range(20):
        pending.begin(f"f/{number}", number, 0.0)
    for number in range(20, 30):
        pending.begin(f"f/{number}", number, 60.0)
    assert len(pending) == 10


def test_beyond_the_bound_the_oldest_is_forgotten() -> None:
    """A connection's own last one is no reason to forget another's."""
    pending = PendingPerConnection[int]("auth.challenges", 10, 60.0)
    for number in range(12):
        pending.begin(f"f/{number}", number, float(number))
    assert len(pending) == 10
    assert [number for number in range(12) if pending.get(f"f/{number}", 12.0) is not None] == [*range(2, 12)]
    pending.begin("f/5", 50, 12.0)
    assert pending.get("f/2", 12.0) == 2


def test_one_more_costs_the_same_however_many_there_are() -> None:
    """The table is not gone through, nor the places of those that are gone."""

    def cost(count: int) -> float:
        pending = PendingPerConnection[int]("auth.challenges", 100_000, 60.0)
        for number in range(count):
            pending.begin(f"f/{number}", number, 0.0)
        # Those that began first have had their answer.
        for number in range(count - 1):
            pending.drop(f"f/{number}")
        return cpu(lambda: [pending.begin("f/x", 0, 1.0) for _ in range(50)], 20)

    assert cost(50_000) < 20 * cost(50)
