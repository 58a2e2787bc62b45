"""What a pull changes. Pure: known people and groups and an answer in, changes out."""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, TypeVar

from lyncpy.contracts.directory import NAME_ENDS, Group, Person, Pull, Skipped
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.names import Aor, bare

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AddressMove:
    """A person's change of address."""

    before: Person
    after: Person


@dataclass(frozen=True, slots=True)
class PullChanges:
    """The changes of people that a pull would make."""

    added: tuple[Person, ...]
    changed: tuple[Person, ...]
    """Who has the same address, and something else is new."""

    removed: tuple[Person, ...]
    unchanged: int
    disabled: tuple[Person, ...]
    """Those of `changed` who were enabled before."""

    skipped: tuple[Skipped, ...]
    """All entries that are of no use now, also those that an earlier pull told of."""

    incomplete: bool = False
    """Whether everything must be read: the answer was incremental and does not tell all that is needed."""

    moved: tuple[AddressMove, ...] = ()
    """Who has another address, whatever else is new."""

    withheld: tuple[Person, ...] = ()
    """Who would be removed, and stays because they are too many to be believed."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody is added, changed, moved or removed."""
        return not (self.added or self.changed or self.moved or self.removed)


def comparing(
    known: Mapping[Aor, Person],
    skipped: Sequence[Skipped],
    pull: Pull,
    *,
    withhold: Callable[[str], bool] | None = None,
    renewed: Mapping[str, str] | None = None,
) -> Generator[int, None, PullChanges]:
    """Compare an answer with the people that are known; yields after each slice how many it has looked at, at most `SLICE`.

    A person is their key: who has another address has moved, and another key under the same
    address is somebody else. An address belongs to the entry that had it first: of two
    entries with one address the one that is known stays, else the one that the directory
    names first; the other is skipped, and who is known under another address keeps that one.
    An entry that cannot be read whole leaves its person as they were.

    Args:
        known: Everybody, by address; the same until the end.
        skipped: What earlier pulls skipped; an incremental answer does not repeat it.
        pull: The directory's answer.
        withhold: Says by a key whether its person stays though their entry is gone; None: nobody does.
        renewed: For people who are the same under another key: that key, by the one that is known.
    """
    told = yield from _by_key(pull.people, {})
    mine = yield from _by_key(known.values(), renewed or {})
    bad = {one.key: one for one in pull.skipped if one.key}
    absent = yield from _absent(mine, pull, told, frozenset(key for key, one in bad.items() if one.keeps))
    held = {key for key in absent if withhold(key)} if withhold is not None else set()
    told.update(_barred(pull.skipped, mine, held))
    table, clashes = yield from _table(mine, told, absent, held)
    heard = {*bad, *pull.gone, *(group.key for group in pull.groups or ())}
    past = () if pull.complete else tuple(one for one in skipped if _lasts(one, pull, told, heard))
    changes = yield from _changes(mine, table, (*past, *pull.skipped, *clashes))
    counted = {*bad, *(one.key for one in past)}
    strange = yield from _strangers(pull.present, mine, told, counted)
    return replace(
        changes,
        # Somebody is there whom no change announced (they were moved in, or a group now names them), or an entry that
        # was skipped may be of use now.
        incomplete=strange or (any(not one.keeps for one in past) and (bool(clashes) or _is_left(changes, table))),
        withheld=tuple(mine[key] for key in absent if key in held),
    )


def _by_key(people: Iterable[Person], renewed: Mapping[str, str]) -> Generator[int, None, dict[str, Person]]:
    """Return people by the keys that they have now."""
    found: dict[str, Person] = {}
    for some in cut(people):
        found.update((renewed.get(person.key, person.key), person) for person in some)
        yield len(some)
    return found


def _barred(skipped: Iterable[Skipped], mine: Mapping[str, Person], absent: Collection[str]) -> dict[str, Person]:
    """Return the people whose entries cannot be used but bar them: they stay known, and are barred."""
    return {
        one.key: replace(mine[one.key], key=one.key, enabled=False, barred=one.barred)
        for one in skipped
        if one.barred and one.key in absent
    }


def _is_left(changes: PullChanges, table: Mapping[Aor, Person]) -> bool:
    """Tell whether an address is free now that an entry which was skipped may have waited for."""
    return bool(changes.removed) or any(move.before.aor not in table for move in changes.moved)


def _absent(
    mine: Mapping[str, Person], pull: Pull, told: Mapping[str, Person], stay: Set[str]
) -> Generator[int, None, dict[str, None]]:
    """Give the keys of known people whose entries are gone or have become of no use, in their order."""
    absent: dict[str, None] = {}
    for some in cut(mine):
        absent |= dict.fromkeys(key for key in some if key not in stay and _is_gone(key, pull, told))
        yield len(some)
    return absent


def _is_gone(key: str, pull: Pull, told: Mapping[str, Person]) -> bool:
    """Tell whether an answer says that there is no such entry, or nothing to be used in it: by all that it does not name, or by name."""
    if pull.complete:
        return key not in told
    return key in pull.gone or (pull.present is not None and key not in pull.present and key not in told)


def _table(
    mine: Mapping[str, Person], told: Mapping[str, Person], absent: Collection[str], held: Set[str]
) -> Generator[int, None, tuple[dict[Aor, Person], list[Skipped]]]:
    """Give who has which address from now on, and the entries whose address is another's."""
    table: dict[Aor, Person] = {}
    for some in cut(mine.items()):
        for key, person in some:
            now = told.get(key)
            # An absent entry keeps its address where removals are not believed, and where a partial answer does not name it.
            if now is None:
                if key in held or key not in absent:
                    table[person.aor] = person if person.key == key else replace(person, key=key)
            # Whoever moves comes later, in `_move`: others' unchanged addresses have precedence.
            elif now.aor == person.aor:
                table[now.aor] = now
        yield len(some)
    yield from _move(table, mine, told)
    clashes: list[Skipped] = []
    for news in cut(told.values()):
        for person in news:
            # Whoever is known has their place by now; what is left is free for newcomers.
            if not _is_taken(table, person):
                table[person.aor] = person
            holder = table[person.aor]
            if holder.key != person.key:
                clashes.append(_clash(person, holder, withheld=holder.key in absent, before=mine.get(person.key)))
        yield len(news)
    return table, clashes


def _is_taken(table: Mapping[Aor, Person], person: Person) -> bool:
    """Tell whether somebody has a person's address already. Who is only there to be found leaves it to who may sign in with it."""
    holder = table.get(person.aor)
    return holder is not None and (person.is_contact or not holder.is_contact)


def _move(
    table: dict[Aor, Person], mine: Mapping[str, Person], told: Mapping[str, Person]
) -> Generator[int, None, None]:
    """Add known people whose address is new: there if it is free, else where they were.

    Nobody who is in the directory loses what is theirs by a wrong address, be it that of one entry or, by a
    script that went astray, of all.
    """
    claims: dict[Aor, Person] = {}
    remain: list[Person] = []
    for some in cut(told.values()):
        for person in some:
            before = mine.get(person.key)
            if before is None or before.aor == person.aor:
                continue
            # Taken by who has it, or claimed by another in the same answer: first come, first served.
            if _is_taken(table, person) or person.aor in claims:
                remain.append(person)
            else:
                claims[person.aor] = person
        yield len(some)
    while remain:
        some = remain[-SLICE:]
        del remain[-SLICE:]
        for person in some:
            former = mine[person.key].aor
            table[former] = replace(person, aor=former)
            # Who counted on that address being left has none but their own either.
            if former in claims:
                remain.append(claims.pop(former))
        yield len(some)
    for moving in cut(claims.items()):
        table.update(moving)
        yield len(moving)


def _changes(
    mine: Mapping[str, Person], table: Mapping[Aor, Person], skipped: tuple[Skipped, ...]
) -> Generator[int, None, PullChanges]:
    added: list[Person] = []
    changed: list[Person] = []
    moved: list[AddressMove] = []
    disabled: list[Person] = []
    stay: set[str] = set()
    for some in cut(table.values()):
        for person in some:
            stay.add(person.key)
            old = mine.get(person.key)
            # The key tells people apart, the address does not: another address is a move, another key another person.
            if old is None:
                added.append(person)
            elif old.aor != person.aor:
                moved.append(AddressMove(old, person))
            elif old != person:
                changed.append(person)
                # Apart from the others, for they lose something: they are carried out, and told, before all else.
                if old.may_stay and not person.may_stay:
                    disabled.append(person)
        yield len(some)
    removed: list[Person] = []
    for gone in cut(mine.items()):
        removed += (person for key, person in gone if key not in stay)
        yield len(gone)
    return PullChanges(
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(removed),
        unchanged=len(table) - len(added) - len(moved) - len(changed),
        disabled=tuple(disabled),
        skipped=skipped,
        moved=tuple(moved),
    )


def _strangers(
    present: Collection[str] | None, mine: Collection[str], told: Collection[str], useless: Collection[str]
) -> Generator[int, None, bool]:
    """Tell whether there are entries of which nothing is known."""
    for some in cut(present or ()):
        if any(key not in mine and key not in told and key not in useless for key in some):
            return True
        yield len(some)
    return False


@dataclass(frozen=True, slots=True)
class AddressMoves:
    """Changes of address that are made in one step."""

    people: tuple[AddressMove, ...]
    together: bool = False
    """Whether each takes the address of another of them: all are made, or none."""


def in_order(moves: Sequence[AddressMove]) -> Iterator[AddressMoves]:
    """Sort moves so that each address is free when it is given; moves in a circle come together."""
    leaving = {move.before.aor: move for move in moves}
    waiting = {move.after.aor: move for move in moves if move.after.aor in leaving}
    ready = [move for move in moves if move.after.aor not in leaving]
    # First what ends at a free address, then who waits for the addresses that these leave, and so on.
    while ready:
        step = tuple(ready[:STEP])
        del ready[:STEP]
        yield AddressMoves(step)
        for move in step:
            follower = waiting.pop(move.before.aor, None)
            if follower is not None:
                ready.append(follower)
    # What is left waits for one another: circles, of which no move can be made alone.
    while waiting:
        circle = [next(iter(waiting.values()))]
        while circle[-1].after.aor != circle[0].before.aor:
            circle.append(leaving[circle[-1].after.aor])
        for move in circle:
            del waiting[move.after.aor]
        yield AddressMoves(tuple(circle), together=True)


STEP: Final = 200
"""Moves made at once that have nothing to do with one another."""

SLICE: Final = 1000
"""People looked at in one turn of the reactor, about a millisecond: everybody else's messages go on in between."""


def cut(several: Iterable[T]) -> Iterator[Sequence[T]]:
    """Cut into slices of at most SLICE."""
    items = iter(several)
    while some := tuple(islice(items, SLICE)):
        yield some


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """The changes of groups that a pull would make."""

    added: tuple[Group, ...] = ()
    changed: tuple[Group, ...] = ()
    removed: tuple[Group, ...] = ()
    unchanged: int = 0
    incomplete: bool = False
    """As of people. Also when somebody's entry was moved: what groups call them is old then."""

    withheld: tuple[Group, ...] = ()
    """Which would be removed, and stay because they are too many to be believed."""

    replaced: tuple[Group, ...] = ()
    """Which are told at the same place under a key of their own: they go, and are not doubted."""

    forgotten: bool = False
    """Whether they are removed because the directory is not asked for groups any more."""

    @property
    def is_empty(self) -> bool:
        """Whether no group is added, changed or removed."""
        return not (self.added or self.changed or self.removed)


def _any_moved(people: Iterable[Person], groups: Mapping[str, Group], pull: Pull) -> Generator[int, None, bool]:
    """Tell whether somebody, or a group, is in other groups than they were told of."""
    if (yield from _are_moved(people, pull)):
        return True
    # Active Directory calls a group that was renamed by its new name in all that hold it, and touches none of them.
    return (yield from _are_moved(groups.values(), pull))


def comparing_groups(
    known: Mapping[str, Group],
    people: Iterable[Person],
    skipped: Iterable[Skipped],
    pull: Pull,
    *,
    withhold: Callable[[str], bool] | None = None,
) -> Generator[int, None, GroupChanges]:
    """Find what an answer changes of groups; yields as `comparing` does.

    Args:
        known: Every group, by key.
        people: Everybody who is known.
        skipped: What earlier pulls skipped.
        pull: The directory's answer.
        withhold: As of people, unless groups are not asked for any more.
    """
    if pull.groups is None:
        return GroupChanges(removed=tuple(known.values()), forgotten=True)
    told: dict[str, Group] = {}
    changed: list[Group] = []
    for some in cut(pull.groups):
        told.update((group.key, group) for group in some)
        changed += (group for group in some if group.key in known and known[group.key] != group)
        yield len(some)
    absent = yield from _absent_groups(known, told, pull)
    # A group that is there, but was never told of, and not because it is of no use: it was moved in.
    useless = {one.key for one in (*skipped, *pull.skipped)}
    strange = yield from _strangers(pull.groups_present, known, told, useless)
    moved = False if pull.complete else (yield from _any_moved(people if known or told else (), known, pull))
    replaced = yield from _replaced(absent, told, known)
    absent = tuple(group for group in absent if group.key not in replaced)
    held = () if withhold is None else tuple(group for group in absent if withhold(group.key))
    removed = tuple(group for group in absent if withhold is None or not withhold(group.key))
    return GroupChanges(
        added=tuple(group for key, group in told.items() if key not in known),
        changed=tuple(changed),
        removed=tuple(removed),
        unchanged=len(known) - len(changed) - len(removed) - len(replaced),
        incomplete=not pull.complete and (strange or moved),
        withheld=held,
        replaced=tuple(replaced.values()),
    )


def _absent_groups(
    known: Mapping[str, Group], told: Mapping[str, Group], pull: Pull
) -> Generator[int, None, tuple[Group, ...]]:
    stay = {one.key for one in pull.skipped if one.keeps}
    present: Collection[str] | None = () if pull.complete else pull.groups_present
    absent: list[Group] = []
    for some in cut(known.items() if present is not None else ()):
        absent += (group for key, group in some if key not in told and key not in stay and key not in (present or ()))
        yield len(some)
    return tuple(absent)


def _replaced(
    absent: Sequence[Group], told: Mapping[str, Group], known: Mapping[str, Group]
) -> Generator[int, None, dict[str, Group]]:
    """Give the groups, by key, that were known by where they stand and are told there under keys of their own."""
    placed: dict[str, Group] = {}
    for gone in cut(absent):
        placed.update((place_of(group.source), group) for group in gone if _is_known_by_place(group, group))
        yield len(gone)
    found: dict[str, Group] = {}
    for some in cut(told.values() if placed else ()):
        for group in some:
            before = placed.get(place_of(group.source)) if group.key not in known else None
            if before is not None:
                found[before.key] = before
        yield len(some)
    return found


def _are_moved(known: Iterable[Person | Group], pull: Pull) -> Generator[int, None, bool]:
    """Tell whether a known entry stands elsewhere now."""
    now = {person.key: person.source for person in pull.people}
    now.update((group.key, group.source) for group in pull.groups or ())
    for some in cut(known):
        for one in some:
            place = now.get(one.key) or pull.sources.get(one.key, one.source)
            if place != one.source and place_of(place) != place_of(one.source):
                return True
        yield len(some)
    return False


def successors(changes: PullChanges) -> tuple[AddressMove, ...]:
    """Give each person who is removed with the one of another key who has their address from now on."""
    gone = {person.aor: person for person in changes.removed}
    return tuple(AddressMove(gone[person.aor], person) for person in changes.added if person.aor in gone)


def _clash(person: Person, holder: Person, *, withheld: bool, before: Person | None) -> Skipped:
    reason = f'its address "{person.aor}" is already that of {holder.source or holder.key}'
    if withheld:
        reason += ", whose removal is held back; `directory pull --force` carries it out"
    if before is not None:
        reason += f"; until one of them is corrected they stay {bare(before.aor)}"
    return Skipped(person.source, reason, key=person.key)


def _lasts(one: Skipped, pull: Pull, told: Collection[str], heard: Set[str]) -> bool:
    """Tell whether a finding of an earlier pull still stands after an incremental one."""
    if one.key in heard or one.key in told:
        return False
    return not one.key or pull.present is None or one.key in pull.present or one.key in (pull.groups_present or ())


def renewals(
    known: Mapping[Aor, Person], keys: Collection[str], pull: Pull, *, may: Callable[[str], bool]
) -> Generator[int, None, dict[str, str]]:
    """Find people who are the same under other keys; yields as `comparing` does.

    The directory is another, or was built anew: whoever has an address there has had it here, unless either key says
    otherwise. Or it shows keys now, and who was known by where their entry stands is who stands there.

    Args:
        known: Everybody, by address.
        keys: Every key that is known, of those too whose data is held back.
        pull: An answer that tells everybody of the directories whose people may.
        may: Says by a known key whether its person may have another one now.

    Returns:
        New keys by known ones.
    """
    told: set[str] = set()
    for some in cut(pull.people):
        told.update(person.key for person in some)
        yield len(some)
    found: dict[str, str] = {}
    for some in cut(pull.people):
        for person in some:
            holder = known.get(person.aor)
            if holder is None or person.key in keys or holder.key in told:
                continue
            if may(holder.key) or _is_known_by_place(holder, person):
                found.setdefault(holder.key, person.key)
        yield len(some)
    return found


def _is_known_by_place(one: Person | Group, now: Person | Group) -> bool:
    """Tell whether the DN was the key of an entry that has one of its own now; before it may stand the name of the directory."""
    place = place_of(now.source)
    return one.key == place or one.key.endswith(f"{NAME_ENDS}{place}")


def naming(skipped: Iterable[Skipped], aor: Aor) -> tuple[Skipped, ...]:
    """Give the skipped entries that seem to be this person's: by their address, or by the first part of a DN or a table's name."""
    address = aor[4:]
    user = address.partition("@")[0]

    def names(one: Skipped) -> bool:
        first = one.source.lower().partition(",")[0]
        return address in one.reason.lower() or first.partition("=")[2] == user or first.endswith(f"[{user}]")

    return tuple(one for one in skipped if names(one))
