"""The judge of histories against stores that keep all, and stores that lose on purpose."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from bench.faults.history import ARCHIVE, Copy, Outcome, Read, Said, Write, Wrong, judge_registers, judge_talk

KEYS = ("note alice", "alice has bob", "alice has carol")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KEYS), st.sampled_from(("write", "remove", "read", "late", "never", "refused"))
    ),
    max_size=40,
)  # fmt: skip


@dataclass
class Store:
    """A register for each key; what is `late` is written when it is asked the next time, or when its node is dead."""

    values: dict[str, str | None] = field(default_factory=dict)
    waiting: dict[str, str | None] = field(default_factory=dict)

    def settle(self, key: str) -> None:
        """Do what has waited."""
        if key in self.waiting:
            self.values[key] = self.waiting.pop(key)


def played(steps: list[tuple[str, str]], store: Store) -> tuple[list[Write | Read], float]:
    """Do it all with a store that loses nothing; give the history, and when it ended."""
    events: list[Write | Read] = []
    at = 0.0
    for number, (key, what) in enumerate(steps):
        at, value = at + 1.0, str(number)
        if what in ("write", "remove"):
            store.waiting.pop(key, None)
            store.values[key] = value if what == "write" else None
            events.append(Write(key, store.values[key], at, at + 0.5, Outcome.DONE))
        elif what == "read":
            store.settle(key)
            events.append(Read(key, store.values.get(key), at, at + 0.5))
        elif what == "refused":
            events.append(Write(key, value, at, at + 0.5, Outcome.REFUSED))
        else:
            if what == "late":
                store.waiting[key] = value
            events.append(Write(key, value, at, at + 0.5, Outcome.UNKNOWN))
    return events, at + 1.0


@given(STEPS)
def test_a_store_that_loses_nothing_is_not_accused(steps: list[tuple[str, str]]) -> None:
    """Whatever was asked, answered or not."""
    # What is read first says what there was; here nothing.
    begun: list[Write | Read] = [Read(key, None, 0.0, 0.5) for key in KEYS]
    events, _ = played(steps, Store())
    assert not judge_registers(begun + events)


@given(STEPS, st.sampled_from(KEYS))
def test_an_acknowledged_write_that_is_lost_is_found(steps: list[tuple[str, str]], key: str) -> None:
    """After anything else."""
    events, at = played(steps, Store())
    events += [Write(key, "kept", at, at + 0.5, Outcome.DONE), Read(key, None, at + 1, at + 2)]
    # What nobody answered before may have removed nothing: no step leaves a removal open.
    assert [one.wrong for one in judge_registers(events)] == [Wrong.LOST]


@given(STEPS, st.sampled_from(KEYS))
def test_a_write_after_fencing_is_found(steps: list[tuple[str, str]], key: str) -> None:
    """A frozen node does at last what it was asked before it was dead."""
    events, at = played(steps, Store())
    events += [
        Write(key, "stale", at, at + 0.5, Outcome.UNKNOWN, until=at + 1),
        Write(key, "new", at + 2, at + 3, Outcome.DONE),
        Read(key, "stale", at + 4, at + 5),
    ]
    assert [one.wrong for one in judge_registers(events)] == [Wrong.STALE]


@given(STEPS, st.sampled_from(KEYS))
def test_what_was_removed_and_comes_back_is_found(steps: list[tuple[str, str]], key: str) -> None:
    """A publication that is there again."""
    events, at = played(steps, Store())
    events += [
        Write(key, "once", at, at + 0.5, Outcome.DONE),
        Write(key, None, at + 1, at + 2, Outcome.DONE),
        Read(key, "once", at + 3, at + 4),
    ]
    assert [one.wrong for one in judge_registers(events)] == [Wrong.RESURRECTED]


TALK = st.lists(st.sampled_from(("alice", "bob")), min_size=2, max_size=20)


def talked(speakers: list[str]) -> list[Said]:
    """One after the other."""
    return [Said(who, f"{number}", number, number + 0.5, Outcome.DONE) for number, who in enumerate(speakers)]


@given(TALK, st.data())
def test_a_talk_that_is_whole_is_not_accused_and_one_that_is_not_is(speakers: list[str], data: st.DataObject) -> None:
    """One message lost, twice or in another order, in the archive or at a listener."""
    said = talked(speakers)
    texts = [one.text for one in said]
    whole = Copy("carol", texts)
    assert not judge_talk(said, [whole, Copy(ARCHIVE, texts)])
    place = data.draw(st.integers(0, len(texts) - 2))
    spoiled = {
        Wrong.LOST: texts[:place] + texts[place + 1 :],
        Wrong.DOUBLED: texts[: place + 1] + texts[place:],
        Wrong.REORDERED: [*texts[:place], texts[place + 1], texts[place], *texts[place + 2 :]],
    }
    for wrong, found in spoiled.items():
        assert wrong in {one.wrong for one in judge_talk(said, [whole, Copy(ARCHIVE, found)])}
