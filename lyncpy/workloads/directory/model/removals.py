"""When a pull removes too many to be believed. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from lyncpy.contracts.directory import Group, Person, Pull
from lyncpy.workloads.directory.model.changes import GroupChanges, PullChanges

E = TypeVar("E", bound=Person | Group)


@dataclass(frozen=True, slots=True)
class RemovalLimits:
    """When a pull removes too many to be believed."""

    share: float
    minimum: int


def refusal(changes: PullChanges, known: int, limits: RemovalLimits) -> str:
    """Say why the removals of a pull are not to be believed, or give "". Whatever else it says always counts."""
    removed = len(changes.removed)
    if not _is_too_much(removed, known, limits, replaced=bool(changes.added or changes.moved)):
        return ""
    return f"it would remove {removed} of {known} people, more than the share of {limits.share:g} ([directory] removal_share)"


def of_some(changes: PullChanges, keys: Callable[[str], bool]) -> PullChanges:
    """Give who is added, moved and removed of the people with some keys."""
    return replace(
        changes,
        added=tuple(person for person in changes.added if keys(person.key)),
        moved=tuple(move for move in changes.moved if keys(move.after.key)),
        removed=tuple(person for person in changes.removed if keys(person.key)),
    )


def groups_of_some(changes: GroupChanges, keys: Callable[[str], bool]) -> GroupChanges:
    """Give which of the groups with some keys are added and removed."""
    return replace(
        changes,
        added=tuple(group for group in changes.added if keys(group.key)),
        removed=tuple(group for group in changes.removed if keys(group.key)),
    )


def group_refusal(changes: GroupChanges, known: int, limits: RemovalLimits) -> str:
    """Say why the removals of groups are not to be believed, or give ""."""
    removed = len(changes.removed)
    if changes.forgotten or not _is_too_much(removed, known, limits, replaced=bool(changes.added)):
        return ""
    return f"it would remove {removed} of {known} groups, more than the share of {limits.share:g} ([directory] removal_share)"


def _is_too_much(removed: int, known: int, limits: RemovalLimits, *, replaced: bool) -> bool:
    nobody_left = known > 1 and removed == known and not replaced
    return limits.share < 1.0 and (nobody_left or (removed >= limits.minimum and removed > limits.share * known))


def silent_of(answer: Pull, names: Collection[str]) -> Collection[str]:
    """Give the names of the directories of which an answer does not tell who is gone, but those it names one by one.

    Args:
        answer: Of all directories.
        names: Of all directories.
    """
    if answer.complete:
        return ()
    return names if answer.present is None else answer.silent


def withheld_still(before: Iterable[E], news: Iterable[E], is_open: Callable[[E], bool]) -> tuple[E, ...]:
    """Give whose removal is withheld: by earlier answers, as far as the last one leaves that open, and by the last one."""
    kept = [one for one in before if is_open(one)]
    named = {one.key for one in kept}
    return (*kept, *(one for one in news if one.key not in named))


def reasons_still(before: Mapping[str, str], news: Mapping[str, str], names: Collection[str]) -> Mapping[str, str]:
    """Give why removals are withheld, by the names of the directories, of which these have any."""
    return {**{name: reason for name, reason in before.items() if name in names}, **news}
