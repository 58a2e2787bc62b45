"""When a pull removes too many to be believed. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lyncpy.workloads.directory.model.changes import GroupChanges, PullChanges


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
