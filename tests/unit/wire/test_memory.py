"""What a flood used is given back once, when most of it is gone."""

from twisted.internet.task import Clock

from lyncpy.wire.memory import CALM_S, MANY, MemoryTrimmer


def test_memory_goes_back_after_a_flood_and_not_otherwise() -> None:
    """Ordinary coming and going costs nothing; after a flood it happens once, and again after the next."""
    clock = Clock()
    memory = MemoryTrimmer(clock.callLater)
    for count in (*range(MANY // 2), *range(MANY // 2, 0, -1)):
        memory.counted(count)
    assert not clock.getDelayedCalls()
    for _ in range(2):
        for count in (*range(MANY + 1), *range(MANY, 0, -1)):
            memory.counted(count)
        assert len(clock.getDelayedCalls()) == 1
        clock.advance(CALM_S)
        assert not clock.getDelayedCalls()
