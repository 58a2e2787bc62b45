"""What a node subscribes to, whatever it becomes interested in and however often it changes its mind."""

import fnmatch

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.backends.nats.encoding import fact_subject, key_subject
from lyncpy.backends.nats.interests import MISSED_S, SETTLED_S, FactSubscriptions
from lyncpy.backends.nats.link import Hear
from lyncpy.contracts.bus import Interest
from lyncpy.contracts.facts import AccessChanged, Fact, PoliciesChanged
from lyncpy.contracts.names import aor_of
from lyncpy.core.timers import Timers

MOST = 5
KEYS = [f"sip:{number}@example.com" for number in range(12)]
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "discard", "all", "none"]), st.integers(0, 1), st.sampled_from(KEYS)), max_size=60
)


class Wires:
    """What a NATS server was told to deliver."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.patterns: dict[int, str] = {}
        self.given = 0

    def subscribe(self, pattern: str, hear: Hear) -> int:
        """Deliver."""
        self.given += 1
        self.patterns[self.given] = pattern
        return self.given

    def unsubscribe(self, number: int) -> None:
        """Deliver no more; it has to be there."""
        del self.patterns[number]

    def copies(self, subject: str) -> int:
        """Give how often a message is delivered."""
        return sum(fnmatch.fnmatchcase(subject, pattern.replace(">", "*")) for pattern in self.patterns.values())


def subscriptions(wires: Wires, most: int = MOST) -> FactSubscriptions:
    """Give those of a node."""
    return FactSubscriptions("p", most, wires, lambda _: None, Timers(Clock(), lambda: 0.0), lambda kinds: None)


@given(STEPS)
def test_what_is_wanted_is_delivered_once(steps: list[tuple[str, int, str]]) -> None:
    """Of two interests, and of one who hears all; never more single subscriptions than the bound; in the end there are none."""
    wires, interests = Wires(), (Interest(), Interest())
    facts = subscriptions(wires)
    with capturedLogs():
        ends = [facts.begin(AccessChanged, (interests[0],)), facts.begin(AccessChanged, interests)]
        hearers = []
        for what, which, key in steps:
            if what == "add":
                interests[which].add(key)
            elif what == "discard":
                interests[which].discard(key)
            elif what == "all":
                hearers.append(facts.begin(AccessChanged, ()))
            elif hearers:
                hearers.pop()()
            for one in KEYS:
                copies = wires.copies(fact_subject("p", AccessChanged(aor_of(one))))
                wanted = bool(hearers) or any(one in interest for interest in interests)
                assert copies == 1 if wanted else copies <= 1
            assert facts.is_whole(AccessChanged) is bool(hearers)
            assert facts.keys_count <= MOST
            assert len(wires.patterns) == facts.keys_count + facts.shares_count + bool(hearers)
        for end in (*hearers, *ends):
            end()
    assert not wires.patterns
    assert (facts.keys_count, facts.shares_count) == (0, 0)


def test_too_many_are_told_and_narrowed_again() -> None:
    """Beyond the bound a share of all keys is heard, which the log says once; far below it single keys are, again."""
    wires, interest = Wires(), Interest()
    facts = subscriptions(wires)
    with capturedLogs() as logged:
        facts.begin(AccessChanged, (interest,))
        for key in KEYS:
            interest.add(key)
        assert facts.keys_count == MOST and facts.shares_count > 0
        for key in KEYS[1:]:
            interest.discard(key)
    assert list(wires.patterns.values()) == [key_subject("p", AccessChanged, KEYS[0])]
    assert len([event for event in logged if "are not enough" in str(event.get("log_format"))]) == 1


def test_what_was_told_before_all_servers_knew_is_looked_for() -> None:
    """Once for all keys that were added within a moment; a kind that is heard whole has none."""
    clock, wires, interest = Clock(), Wires(), Interest()
    missed: list[float] = []
    facts = FactSubscriptions(
        "p", MOST, wires, lambda _: None, Timers(clock, lambda: 0.0), lambda kinds: missed.append(clock.seconds())
    )
    facts.begin(PoliciesChanged, ())
    facts.begin(AccessChanged, (interest,))
    clock.advance(5)
    for key in KEYS[:3]:
        interest.add(key)
    clock.advance(SETTLED_S)
    interest.discard(KEYS[0])
    clock.advance(SETTLED_S)
    interest.add(KEYS[0])
    clock.advance(SETTLED_S)
    assert missed == [5 + SETTLED_S]
    clock.advance(MISSED_S)
    assert missed == [5 + SETTLED_S, 5 + 3 * SETTLED_S + MISSED_S]


def test_where_keys_come_all_the_time_it_is_looked_for_now_and_then() -> None:
    """Never later than that after a key was added, and one that comes after a while is not kept waiting."""
    clock, interest = Clock(), Interest()
    missed: list[float] = []
    facts = FactSubscriptions(
        "p", 1_000, Wires(), lambda _: None, Timers(clock, lambda: 0.0), lambda kinds: missed.append(clock.seconds())
    )
    facts.begin(AccessChanged, (interest,))
    for number in range(100):
        interest.add(f"sip:{number}@example.com")
        clock.advance(0.25)
    clock.advance(MISSED_S)
    assert len(missed) == 25 / MISSED_S + 1
    before = clock.seconds()
    clock.advance(MISSED_S)
    interest.add("sip:late@example.com")
    clock.advance(SETTLED_S)
    assert missed[-1] == before + MISSED_S + SETTLED_S


def test_kinds_without_keys_are_heard_as_they_were() -> None:
    """Whoever listens to all hears what is about many, too."""
    wires = Wires()
    facts = subscriptions(wires)
    end = facts.begin(PoliciesChanged, ())
    told: Fact = PoliciesChanged()
    assert wires.copies(fact_subject("p", told)) == 1
    end()
    assert not wires.patterns
