"""Which directories have lost so many people or groups that they are not believed."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from lyncpy.contracts.directory import Group, Person
from lyncpy.contracts.timers import ITimers
from lyncpy.core.slices import Slices
from lyncpy.workloads.directory.model.changes import SLICE, GroupChanges, PullChanges
from lyncpy.workloads.directory.model.places import Places
from lyncpy.workloads.directory.model.removals import (
    RemovalLimits,
    group_refusal,
    groups_of_some,
    of_some,
    refusal,
)


class RemovalDoubts:
    """Judges the removals of a pull, each directory's for itself.

    Args:
        places: The directories, those too that are gone and of which somebody is known.
        believed: Names of those of which any number may be removed.
        limits: When it is too many.
        timers: Lets others have their turn while people are counted.
    """

    def __init__(self, places: Places, believed: Collection[str], limits: RemovalLimits, timers: ITimers) -> None:
        self._places = places
        self._believed = believed
        self._limits = limits
        self._timers = timers

    async def of_people(self, changes: PullChanges, everybody: Sequence[Person]) -> Mapping[str, str]:
        """Say why removals are not believed, by the names of the directories of which too many would be removed."""
        if not changes.removed:
            return {}
        known = await self.count(everybody)
        return self._of_each(
            {name: refusal(of_some(changes, self._is_of(name)), count, self._limits) for name, count in known.items()}
        )

    async def of_groups(self, changes: GroupChanges, all_groups: Sequence[Group]) -> Mapping[str, str]:
        """Say the same of groups."""
        if not changes.removed:
            return {}
        known = await self.count(all_groups)
        return self._of_each(
            {
                name: group_refusal(groups_of_some(changes, self._is_of(name)), count, self._limits)
                for name, count in known.items()
            }
        )

    async def count(self, several: Sequence[Person | Group]) -> Mapping[str, int]:
        """Count people or groups, by the names of their directories."""
        counts: Counter[str] = Counter()
        async for some in Slices(self._timers, SLICE).runs_of(several):
            counts.update(self._places.directory_of(one.key) for one in some)
        return counts

    def _is_of(self, name: str) -> Callable[[str], bool]:
        return lambda key: self._places.directory_of(key) == name

    def _of_each(self, reasons: Mapping[str, str]) -> dict[str, str]:
        several = len(self._places.names) > 1
        return {
            name: f"{name or 'the directory without a name'}: {reason}" if several else reason
            for name, reason in reasons.items()
            if reason and name not in self._believed
        }
