"""One fault, from before it until all is as it was, and what is found then."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThreadPool

from bench.conference import create
from bench.faults.cluster import NODES, Cluster
from bench.faults.history import (
    ARCHIVE,
    Copy,
    Outcome,
    Said,
    Violation,
    all_heard,
    judge_presence,
    judge_registers,
    judge_talk,
)
from bench.faults.kinds import VICTIM, Fault
from bench.faults.person import Absence, History, Person

WATCHED: Final = 3
"""People that each watches: at every node one."""

MEETING: Final = 6
"""People of one conference, at most."""

BACK_S: Final = 60.0
"""What is waited for those who are to come back."""

HEARD_S: Final = 15.0
"""What is waited at most for what was said while the bus was away: it is sent again when that is back, after pauses that grow."""

BOUND_S: Final = 10.0
TARGET_BACK_S: Final = 10.0
TARGET_OWN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long what is done is done."""

    warm_s: float = 6.0
    """Before the fault."""

    settle_s: float = 14.0
    """After it is over: a presence that is wrong has to be so for longer than 10 s to count."""

    is_whole: bool = True
    """Whether the fault lasts as long as it does; else no longer than until all are back."""


BRIEF: Final = Pace(2.0, 2.0, is_whole=False)
"""For a test that judges what was kept, and no times."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a fault has done to users."""

    name: str
    words: str
    users: int
    lost: int
    """Users who lost their server."""

    not_back: int
    back_s: float
    """Until the last of them was back."""

    own_s: float
    """Of the one who needed longest beyond it: what the client has spent by itself."""

    beyond_s: float
    """The longest that anybody needed beyond what their client has spent by itself."""

    dead_s: float | None
    """Until the others knew that the node is dead."""

    others_lost: int
    """Users of other nodes who lost theirs."""

    acknowledged: int
    refused: int
    unanswered: int
    wrong_s: float
    """For how long somebody was seen at worst as they were not."""

    flashes: int
    """How often something was seen for a moment that had been over for long."""

    chain: str
    violations: Sequence[Violation]
    failures: Mapping[str, int] = field(default_factory=dict)
    """What was refused, and how often."""

    @property
    def data_lost(self) -> int:
        """The number of things that cannot be in a store that loses nothing."""
        return sum(one.wrong.name != "OUTDATED" for one in self.violations)

    @property
    def presence_wrong(self) -> int:
        """The number of views that were wrong for longer than allowed."""
        return len(self.violations) - self.data_lost

    @property
    def is_good(self) -> bool:
        """Whether every target is met."""
        is_back = not self.not_back and self.back_s <= max(TARGET_BACK_S, self.own_s + TARGET_OWN_S)
        return is_back and not self.violations and self.chain == "whole"


class Trial:
    """One fault at a cluster that runs.

    Args:
        reactor: The one.
        cluster: All nodes are up.
        people: How many use it.
        say: Where progress is said.
        pace: How long it takes.
        across: Whether the people of a conference are at several nodes.
    """

    def __init__(
        self, reactor: Any, cluster: Cluster, people: int, say: Callable[[str], None], pace: Pace, *, across: bool
    ) -> None:  # Any: several interfaces
        self._reactor = reactor
        self._cluster = cluster
        self.history: Final = History()
        self._across = across
        self._say = say
        self._pace = pace
        nodes = cluster.nodes
        self.persons: Final = [
            Person(
                reactor,
                number,
                [nodes[(number + step) % NODES] for step in range(NODES)],
                [(number + step) % people for step in range(1, WATCHED + 1)],
                self.history,
            )
            for number in range(people)
        ]

    async def run(self, name: str, fault: Fault) -> Result:
        """Have all come, the fault happen and end, and judge what they did, heard and saw."""
        begun = self._cluster.rows("select coalesce(max(serial), 0) from archive")[0][0]
        lives = [Deferred.fromCoroutine(person.live()) for person in self.persons]
        await self._until(lambda: all(person.is_in for person in self.persons), BACK_S)
        self._say(f"{sum(person.is_in for person in self.persons)} of {len(self.persons)} are signed in")
        await self._meet()
        await self._sleep(self._pace.warm_s)
        victim, history = self._cluster.nodes[VICTIM], self.history
        place = f"%(process {victim.server.pid})"
        at = history.now()
        before = {person: len(person.absences) for person in self.persons}
        lost = [person for person in self.persons if person.node is victim] if fault.loses else []
        for person in lost:
            person.absent(victim)
        await self._do(fault, fault.begin)
        self._say(fault.words)
        dead_s = await self._dead(place, at) if fault.loses else None
        await self._until(lambda: all(_back(person) for person in self.persons), BACK_S)
        self._say(f"{sum(_back(person) for person in self.persons)} are there after {history.now() - at:.1f} s")
        if self._pace.is_whole:
            await self._sleep(max(0.0, fault.lasts_s - (history.now() - at)))
        await self._do(fault, fault.end)
        await self._apart(self._cluster.await_all)
        over = history.now()
        self._say(f"it is over after {over - at:.1f} s")
        await self._sleep(self._pace.settle_s)
        await self._until(lambda: all(_back(person) for person in self.persons), BACK_S)
        await self._until(lambda: self._all_heard(over), HEARD_S)
        for person in self.persons:
            person.end()
        end = history.now()
        await gatherResults(lives)
        self._say("all have left, and look again")
        await gatherResults([Deferred.fromCoroutine(person.look_again()) for person in self.persons])
        dead_at = {} if dead_s is None else {victim.number: at + dead_s}
        absences = [one for person in self.persons for one in person.absences[before[person] :]]
        result: Result = await self._apart(self._result, name, fault, absences, len(lost), dead_at, begun, at, end)
        return result

    def _all_heard(self, over: float) -> bool:
        """Tell whether what was said until the fault was over has come to all who are there."""
        return all_heard(self.history.said, [stay for one in self.persons if (stay := one.stay(over)) is not None])

    async def _meet(self) -> None:
        """Have conferences created, and everybody join theirs."""
        groups = [self.persons[at::NODES] for at in range(NODES)]
        if self._across:
            groups = [self.persons[at : at + MEETING] for at in range(0, len(self.persons), MEETING)]
        for group in groups:
            members = group[:MEETING]
            device = members[0].device
            focus = await create(device) if device is not None else ""
            for person in members:
                person.conference = focus

    async def _do(self, fault: Fault, step: Any) -> None:  # Any: what a fault does
        if fault.waits:
            await self._apart(step, self._cluster)
        else:
            step(self._cluster)

    async def _dead(self, place: str, at: float) -> float | None:
        """Wait until it is written down that the victim is dead; give the seconds since the fault began."""
        query = f"select count(*) from nodes where place like '{place}' and ended is not null"
        while self.history.now() - at < BACK_S / 2:
            rows = await self._apart(self._cluster.rows, query)
            if rows[0][0] != "0":
                return self.history.now() - at
            await self._sleep(0.2)
        return None

    async def _until(self, question: Any, most_s: float) -> None:  # Any: what gives a truth
        until = self.history.now() + most_s
        while not question() and self.history.now() < until:
            await self._sleep(0.1)

    async def _apart(self, do: Any, *given: Any) -> Any:  # Any: whatever takes its time
        return await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), do, *given)

    async def _sleep(self, seconds: float) -> None:
        await self.persons[0].sleep(seconds)

    def _result(
        self,
        name: str,
        fault: Fault,
        absences: Sequence[Absence],
        lost: int,
        dead_at: Mapping[int, float],
        begun: str,
        at: float,
        end: float,
    ) -> Result:
        history, victim = self.history, self._cluster.nodes[VICTIM]
        seen = judge_presence(history.truths, history.views, BOUND_S, end)
        violations = [*judge_registers(history.all_registers(dead_at)), *self._talks(begun), *seen.violations]
        mine = [one for one in absences if one.node == victim.number and fault.loses]
        back = [(one.back_at - one.lost_at, one.own_s) for one in mine if one.back_at is not None]
        slowest = max(back, key=lambda pair: pair[0] - pair[1], default=(0.0, 0.0))
        outcomes = Counter(one.outcome for one, _ in history.asked)
        outcomes.update(one.outcome for several in history.said.values() for one in several)
        verdict = self._cluster.nodes[-1].server.ssh("archive verify")
        failures = Counter(text for person in self.persons for text in person.failures)
        return Result(
            name,
            fault.words,
            len(self.persons),
            lost,
            sum(one.back_at is None for one in absences),
            max((pair[0] for pair in back), default=0.0),
            slowest[1],
            slowest[0] - slowest[1],
            next((moment - at for moment in dead_at.values()), None),
            len(absences) - len(mine),
            outcomes[Outcome.DONE],
            outcomes[Outcome.REFUSED],
            outcomes[Outcome.UNKNOWN],
            seen.longest_s,
            seen.flashes,
            "whole" if "nothing was removed or altered" in verdict else verdict,
            violations,
            dict(failures.most_common()),
        )

    def _talks(self, begun: str) -> Sequence[Violation]:
        """Judge the conferences, and the archive, in which all talk is."""
        history = self.history
        found: list[Violation] = []
        for where, said in history.said.items():
            found += judge_talk(said, history.copies.get(where, ()))
        rows = self._cluster.rows(
            f"select convert_from(body, 'UTF8') from archive where kind = 'message' and serial > {begun} order by serial"
        )
        said_all: list[Said] = [one for several in history.said.values() for one in several]
        return [*found, *judge_talk(said_all, [Copy(ARCHIVE, [row[0] for row in rows])])]


def _back(person: Person) -> bool:
    return person.is_in and (not person.absences or person.absences[-1].back_at is not None)
