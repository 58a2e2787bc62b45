"""Owners take turns."""

from lyncpy.contracts.turns import FairQueue


def test_owners_take_turns_and_each_ones_items_keep_their_order() -> None:
    """Whoever puts in much waits behind themselves, and whoever comes back comes last."""
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "c1"):
        queue.put(item[0], item)
    assert (len(queue), list(queue.heads())) == (5, ["a1", "b1", "c1"])
    taken = [queue.take() for _ in range(3)]
    queue.put("b", "b2")
    assert taken + [queue.take() for _ in range(len(queue))] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert not queue
