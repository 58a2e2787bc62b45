"""What a pull changes. Pure: known people and groups and an answer in, changes out."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from lyncpy.contracts.directory import Group, Person, Pull, Skipped
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.names import Aor


@dataclass(frozen=True, slots=True)
class Limits:
    """When a pull removes too many to be believed."""

    share: float
    minimum: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What a pull would do to the people that are known."""

    added: tuple[Person, ...]
    changed: tuple[Person, ...]
    removed: tuple[Person, ...]
    unchanged: int
    disabled: tuple[Person, ...]
    """Those of `changed` who were enabled before."""

    skipped: tuple[Skipped, ...]
    """All entries that are of no use now, also those that an earlier pull told of."""

    incomplete: bool = False
    """Whether everything must be read: the answer was incremental and does not tell all that is needed."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody is added, changed or removed."""
        return not (self.added or self.changed or self.removed)


def compare(known: Mapping[Aor, Person], skipped: Sequence[Skipped], pull: Pull) -> Changes:
    """Find what an answer changes.

    An address belongs to the entry that had it first: of two entries with one address the
    one that is known stays, else the one that the directory names first; the other is
    skipped. An entry that cannot be read whole leaves its person as he was.

    Args:
        known: Everybody, by address.
        skipped: What earlier pulls skipped; an incremental answer does not repeat it.
        pull: The directory's answer.
    """
    told = {person.key: person for person in pull.people}
    bad = {one.key: one for one in pull.skipped if one.key}
    absent = _absent(known.values(), pull, told, bad)
    table = {person.aor: person for person in known.values() if person.key not in absent and person.key not in told}
    clashes: list[Skipped] = []
    for person in _incumbents_first(told.values(), known):
        holder = table.setdefault(person.aor, person)
        if holder is not person:
            clashes.append(_clash(person, holder))
    heard = {*told, *bad, *pull.gone, *(group.key for group in pull.groups or ())}
    past = () if pull.complete else tuple(one for one in skipped if _lasts(one, pull, heard))
    everybody = {person.key for person in known.values()} | {one.key for one in past} | set(told) | set(bad)
    return _changes(
        known,
        table,
        skipped=(*past, *pull.skipped, *clashes),
        # Somebody is there whom no change announced (he was moved in, or a group now names him), or somebody
        # left and what he had may be free for an entry that was skipped.
        incomplete=(pull.present is not None and not pull.present <= everybody)
        or (any(not one.keeps for one in past) and _leaves(known, table)),
    )


def _leaves(known: Mapping[Aor, Person], table: Mapping[Aor, Person]) -> bool:
    return any(aor not in table for aor in known)


def _changes(
    known: Mapping[Aor, Person], table: Mapping[Aor, Person], *, skipped: tuple[Skipped, ...], incomplete: bool
) -> Changes:
    both = [(known[aor], person) for aor, person in table.items() if aor in known]
    changed = [(old, new) for old, new in both if old != new]
    return Changes(
        added=tuple(person for aor, person in table.items() if aor not in known),
        changed=tuple(new for _, new in changed),
        removed=tuple(person for aor, person in known.items() if aor not in table),
        unchanged=len(both) - len(changed),
        disabled=tuple(new for old, new in changed if old.enabled and not new.enabled),
        skipped=skipped,
        incomplete=incomplete,
    )


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """What a pull would do to the groups that are known."""

    added: tuple[Group, ...] = ()
    changed: tuple[Group, ...] = ()
    removed: tuple[Group, ...] = ()
    unchanged: int = 0
    incomplete: bool = False
    """As of people. Also when somebody's entry was moved: what groups call him is old then."""

    forgotten: bool = False
    """Whether they are removed because the directory is not asked for groups any more."""

    @property
    def is_empty(self) -> bool:
        """Whether no group is added, changed or removed."""
        return not (self.added or self.changed or self.removed)


def compare_groups(
    known: Mapping[str, Group], people: Iterable[Person], skipped: Iterable[Skipped], pull: Pull
) -> GroupChanges:
    """Find what an answer changes of groups.

    Args:
        known: Every group, by key.
        people: Everybody who is known.
        skipped: What earlier pulls skipped.
        pull: The directory's answer.
    """
    if pull.groups is None:
        return GroupChanges(removed=tuple(known.values()), forgotten=True)
    told = {group.key: group for group in pull.groups}
    stay = {one.key for one in pull.skipped if one.keeps}
    absent: set[str] = set()
    if pull.complete:
        absent = known.keys() - told.keys() - stay
    elif pull.groups_present is not None:
        absent = known.keys() - pull.groups_present - told.keys() - stay
    # A group that is there, but was never told of, and not because it is of no use: it was moved in.
    useless = {one.key for one in (*skipped, *pull.skipped)}
    strange = pull.groups_present is not None and not pull.groups_present <= known.keys() | told.keys() | useless
    both = [(known[key], group) for key, group in told.items() if key in known]
    changed = tuple(new for old, new in both if old != new)
    return GroupChanges(
        added=tuple(group for key, group in told.items() if key not in known),
        changed=changed,
        removed=tuple(known[key] for key in known if key in absent),
        unchanged=len(known) - len(changed) - len(absent),
        # Active Directory calls a group that was renamed by its new name in all that hold it, and touches none of them.
        incomplete=not pull.complete
        and (strange or (bool(known or told) and _are_moved(people, pull)) or _are_moved(known.values(), pull)),
    )


def _are_moved(known: Iterable[Person | Group], pull: Pull) -> bool:
    """Tell whether a known entry stands elsewhere now."""
    told: tuple[Person | Group, ...] = (*pull.people, *(pull.groups or ()))
    now = {**pull.sources, **{one.key: one.source for one in told}}
    former = ((one.source, now.get(one.key, one.source)) for one in known)
    return any(old != new and place_of(old) != place_of(new) for old, new in former)


def refusal(changes: Changes, known: int, limits: Limits) -> str:
    """Say why a pull is not to be believed, or give ""."""
    removed, disabled = len(changes.removed), len(changes.disabled)
    if not _is_too_much(removed, removed + disabled, known, limits, replaced=bool(changes.added)):
        return ""
    deeds = " and ".join(f"{verb} {count}" for verb, count in (("remove", removed), ("disable", disabled)) if count)
    return f"it would {deeds} of {known} people, more than the share of {limits.share:g} ([directory] removal_share)"


def group_refusal(changes: GroupChanges, known: int, limits: Limits) -> str:
    """Say why what a pull makes of groups is not to be believed, or give ""."""
    removed = len(changes.removed)
    if changes.forgotten or not _is_too_much(removed, removed, known, limits, replaced=bool(changes.added)):
        return ""
    return f"it would remove {removed} of {known} groups, more than the share of {limits.share:g} ([directory] removal_share)"


def _is_too_much(removed: int, lost: int, known: int, limits: Limits, *, replaced: bool) -> bool:
    nobody_left = known > 1 and removed == known and not replaced
    return limits.share < 1.0 and (nobody_left or (lost >= limits.minimum and lost > limits.share * known))


def _clash(person: Person, holder: Person) -> Skipped:
    reason = f'its address "{person.aor}" is already that of {holder.source or holder.key}'
    return Skipped(person.source, reason, key=person.key)


def _absent(known: Iterable[Person], pull: Pull, told: Mapping[str, Person], bad: Mapping[str, Skipped]) -> set[str]:
    """Give the keys of known people whose entries are gone or have become of no use."""
    keys = {person.key for person in known}
    stay = {key for key, one in bad.items() if one.keeps}
    if pull.complete:
        return keys - set(told) - stay
    gone = set(pull.gone)
    if pull.present is not None:
        gone |= keys - pull.present - set(told)
    return (keys & gone) - stay


def _lasts(one: Skipped, pull: Pull, heard: Set[str]) -> bool:
    """Tell whether a finding of an earlier pull still stands after an incremental one."""
    if one.key in heard:
        return False
    return not one.key or pull.present is None or one.key in pull.present or one.key in (pull.groups_present or ())


def _incumbents_first(people: Iterable[Person], known: Mapping[Aor, Person]) -> list[Person]:
    def is_new(person: Person) -> bool:
        holder = known.get(person.aor)
        return holder is None or holder.key != person.key

    return sorted(people, key=is_new)


def naming(skipped: Iterable[Skipped], aor: Aor) -> tuple[Skipped, ...]:
    """Give the skipped entries that seem to be this person's: by his address, or by the first part of a DN or a table's name."""
    address = aor[4:]
    user = address.partition("@")[0]

    def names(one: Skipped) -> bool:
        first = one.source.lower().partition(",")[0]
        return address in one.reason.lower() or first.partition("=")[2] == user or first.endswith(f"[{user}]")

    return tuple(one for one in skipped if names(one))
