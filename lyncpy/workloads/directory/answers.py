"""What a directory is asked, and what of its answer is believed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from lyncpy.contracts.directory import IDirectory, Pull
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.slices import Slices
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.model.changes import (
    SLICE,
    GroupChanges,
    PullChanges,
    comparing,
    comparing_groups,
    renewals,
)
from lyncpy.workloads.directory.model.places import Places, others
from lyncpy.workloads.directory.model.removals import RemovalLimits, silent_of
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.records import PullState
from lyncpy.workloads.directory.removal_doubts import RemovalDoubts

_NOBODY = "it has nobody who could be used: correct bases, filters and address ([directory])"


@dataclass(frozen=True, slots=True)
class PullQuestion:
    """What a pull is to find out; `Pulls.pull` says what each means."""

    cookie: str
    """Of the last answer; "": everything is read."""

    force: bool
    same_people: bool
    counting: bool | None


@dataclass(frozen=True, slots=True)
class PullAnswer:
    """What is to be done."""

    answer: Pull
    changes: PullChanges
    groups: GroupChanges
    refused: str = ""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """Why people are not removed, by the names of their directories."""

    group_doubts: Mapping[str, str] = field(default_factory=dict)

    @property
    def withheld(self) -> str:
        """As of `PullResult`."""
        return "; ".join((*self.doubts.values(), *self.group_doubts.values()))


class DirectoryAnswers:
    """Asks the directories, and compares what they say with who is known.

    Args:
        directory: All of them.
        people, groups: The tables.
        limits: When too many are removed.
        places: The directories.
        timers: Lets others have their turn.
    """

    def __init__(
        self,
        directory: IDirectory,
        people: People,
        groups: Groups,
        limits: RemovalLimits,
        places: Places,
        timers: ITimers,
    ) -> None:
        self._directory = directory
        self._people = people
        self._groups = groups
        self._limits = limits
        self._places = places
        self._timers = timers

    async def found(self, asked: PullQuestion, state: PullState) -> PullAnswer:
        """Ask, and decide what of the answer is to be believed.

        A directory that is new, has another URL than before or is not asked any more may have other people than before, or
        nobody: its removals are believed, and who has an address there had it here. That says nothing of the others.

        Args:
            asked: What is to be found out.
            state: Where pulls stand.

        Raises:
            DirectoryUnavailable: It cannot be read, or not that of which nothing is known yet.
        """
        changed = others(state.urls, self._places.urls)
        every = Places({**state.urls, **self._places.urls})
        # Where nothing was known before, nobody was there who could come under another key.
        renewable = partial(self._renewable, asked, every=every, changed=changed if state.urls else frozenset())
        answer = await self._directory.pull(asked.cookie, counting=asked.counting)
        may = renewable(answer)
        changes, groups = await self._compared(answer, state, may)
        if changes.incomplete or groups.incomplete:
            answer = await self._directory.pull("")
            may = renewable(answer)
            changes, groups = await self._compared(answer, state, may)
        if answer.unread and changed.intersection(silent_of(answer, self._places.names)):
            # Who is missing would be taken for gone, and who comes first for the only one who has an address.
            reasons = "; ".join(answer.unread)
            raise DirectoryUnavailable(f"a first pull of these directories needs all of them: {reasons}")
        doubting = RemovalDoubts(every, changed, self._limits, self._timers)
        refused = await self._refusal(answer, changes, doubting, changed)
        if refused:
            return PullAnswer(answer, changes, groups, refused=refused)
        doubts = {} if asked.force else await doubting.of_people(changes, self._people.everybody())
        group_doubts = {} if asked.force else await doubting.of_groups(groups, self._groups.all_groups())
        if doubts or group_doubts:
            changes, groups = await self._compared(
                answer,
                state,
                may,
                withhold=lambda key: every.directory_of(key) in doubts,
                withhold_groups=lambda key: every.directory_of(key) in group_doubts,
            )
        return PullAnswer(answer, changes, groups, doubts=doubts, group_doubts=group_doubts)

    async def _refusal(
        self, answer: Pull, changes: PullChanges, doubting: RemovalDoubts, changed: frozenset[str]
    ) -> str:
        """Say why nothing is done: other people are what an operator wants who names another directory; nobody is not."""
        if not changed or not changes.removed:
            return ""
        if len(changes.removed) == len(self._people) and not changes.added:
            return _NOBODY
        told = await doubting.count(answer.people)
        had = await doubting.count(changes.removed)
        empty = [name for name in self._places.names if name in changed and name in had and name not in told]
        return "; ".join(f"{name or self._places.urls[name]}: {_NOBODY}" for name in empty)

    def _renewable(
        self, asked: PullQuestion, answer: Pull, every: Places, changed: frozenset[str]
    ) -> Callable[[str], bool]:
        """Say by keys who may be the same person under another key that tells nothing of the former."""
        everybody = asked.same_people and answer.complete
        return lambda key: everybody or every.directory_of(key) in changed

    async def _compared(
        self,
        answer: Pull,
        state: PullState,
        may: Callable[[str], bool],
        *,
        withhold: Callable[[str], bool] | None = None,
        withhold_groups: Callable[[str], bool] | None = None,
    ) -> tuple[PullChanges, GroupChanges]:
        people = self._people.table()
        renewed = await Slices(self._timers, SLICE).carry_out(
            renewals(people, self._people.owners.keys(), answer, may=may)
        )
        return (
            await Slices(self._timers, SLICE).carry_out(
                comparing(people, state.skipped, answer, withhold=withhold, renewed=renewed)
            ),
            await Slices(self._timers, SLICE).carry_out(
                comparing_groups(self._groups.table(), people.values(), state.skipped, answer, withhold=withhold_groups)
            ),
        )
