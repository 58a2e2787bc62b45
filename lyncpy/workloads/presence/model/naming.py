"""The owners of the addresses on a board, and what becomes of them when people get other addresses. Pure.

A board names people by address, as clients do: members of containers, subscribers,
delegates. Beside it is kept which owner each of these addresses meant. An owner who is gone, and
whose address is another's by now, is dormant: nobody sees them, they see nothing, and when they
return they have the same places on the board as before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from lyncpy.contracts.names import Aor, bare, kept_aor
from lyncpy.contracts.owners import NOBODY, IOwners, OwnerId, resolve
from lyncpy.workloads.presence.model.absences import Absence, Absences, carried, lapsed
from lyncpy.workloads.presence.model.board import Board, BoardDelta, Published, with_aggregates
from lyncpy.workloads.presence.model.tables import (
    Container,
    ContainerMember,
    Delegate,
    Delegates,
    MemberKind,
    Subscriber,
)


@dataclass(frozen=True, slots=True)
class DormantName:
    """A dormant person: named on a board, but without an address now."""

    aor: Aor
    """The last address by which they were named."""

    owner: OwnerId
    containers: tuple[int, ...] = ()
    subscriber: Subscriber | None = None
    delegate: Delegate | None = None
    absence: Absence | None = None
    """What they see of the user, who has blocked them; None: they are not blocked."""

    def with_absence(self, become: Callable[[Absences], Absences]) -> "DormantName":
        """Give the person with a change applied to what they see, as it is applied to members with an address."""
        if self.absence is None:
            return self
        member = ContainerMember(MemberKind.USER, bare(self.aor))
        return replace(self, absence=become({member: self.absence})[member])


@dataclass(frozen=True, slots=True)
class BoardNames:
    """The owners of the addresses on a board."""

    meant: Mapping[str, OwnerId] = field(default_factory=dict)
    """Address without `sip:` → its owner; one that is missing had no owner when it was named."""

    asleep: tuple[DormantName, ...] = ()

    def carried(self, by_s: float) -> "BoardNames":
        """Move the times of what dormant people see by the seconds by which the wall clock was set."""
        if not any(one.absence for one in self.asleep):
            return self
        return replace(self, asleep=tuple(one.with_absence(lambda each: carried(each, by_s)) for one in self.asleep))

    def since(self, now: float) -> "BoardNames":
        """Give the same for a process that has read the board just now (wall-clock seconds)."""
        return replace(
            self,
            asleep=tuple(
                one if one.absence is None else replace(one, absence=one.absence.since(now)) for one in self.asleep
            ),
        )


def named(board: Board) -> set[str]:
    """Give the addresses of all people who are named on a board, without `sip:`."""
    found = {
        member.value for one in board.containers.values() for member in one.members if member.kind is MemberKind.USER
    }
    found.update(bare(one.aor) for one in board.subscribers)
    found.update(bare(one.aor) for one in board.delegates.members)
    return found


def noted(names: BoardNames, board: Board, owners: IOwners) -> BoardNames:
    """Note the owners of new addresses on a board, and forget those of addresses that are gone."""
    meant = {one: names.meant.get(one) or owners.meant(_aor(one)) for one in named(board)}
    return replace(names, meant={one: owner for one, owner in meant.items() if owner})


def is_concerned(board: Board, names: BoardNames, aors: frozenset[Aor], texts: frozenset[str]) -> bool:
    """Tell whether addresses that have other owners now may make a difference to a board.

    Args:
        board: The board.
        names: The owners of the addresses on it.
        aors: The addresses.
        texts: The same without `sip:`, made once for all boards.
    """
    if names.asleep or not names.meant.keys().isdisjoint(texts):
        return True
    return board.private_to is not None and not board.private_to.isdisjoint(aors)


def readdress(board: Board, names: BoardNames, owners: IOwners, now: float) -> tuple[Published, BoardNames]:
    """Replace the addresses on a board by those that their owners have now.

    Args:
        board: The user's board.
        names: The owners of the addresses on it.
        owners: Gives the present address of an owner.
        now: Wall-clock seconds.

    Returns:
        The board with the differences, and the owners of the addresses on it.
    """
    asleep = [(one, resolve(owners, one.aor, one.owner)) for one in names.asleep]
    awake = [(one, aor) for one, aor in asleep if aor is not None and owners.keeps(one.owner)]
    where = {one: resolve(owners, _aor(one), names.meant.get(one, NOBODY)) for one in named(board)}
    if not awake and all(aor is not None and bare(aor) == one for one, aor in where.items()):
        return Published(board, BoardDelta()), names
    containers = {id_: _members(id_, one, where, awake) for id_, one in board.containers.items()}
    if all(new is board.containers[id_] for id_, new in containers.items()):
        containers = dict(board.containers)  # another mapping: who sees what is decided anew
    members = _delegates(board.delegates.members, where, awake)
    delegates = board.delegates
    if members != delegates.members:
        delegates = Delegates(delegates.version + 1, members)
    after = replace(
        board,
        containers=containers,
        subscribers=_subscribers(board.subscribers, where, awake),
        delegates=delegates,
        absences=_absences(
            board.absences, where, [(one.with_absence(partial(lapsed, now=now)), aor) for one, aor in awake]
        ),
    )
    sleepers = [one for one, aor in asleep if aor is None and owners.keeps(one.owner)]
    sleepers += _gone_to_sleep(board, names, where, owners)
    return with_aggregates(board, after, now, ()), BoardNames(_meant(names, where, awake), tuple(sleepers))


_Where = Mapping[str, Aor | None]
_Awake = Iterable[tuple[DormantName, Aor]]


def _meant(names: BoardNames, where: _Where, awake: _Awake) -> dict[str, OwnerId]:
    """Return whom the present addresses on a board mean, as far as that is known."""
    meant = {bare(aor): names.meant.get(one, NOBODY) for one, aor in where.items() if aor is not None}
    meant.update((bare(aor), one.owner) for one, aor in awake)
    return {one: owner for one, owner in meant.items() if owner}


def _aor(text: str) -> Aor:
    return kept_aor(f"sip:{text}")


def _absences(absences: Absences, where: _Where, awake: _Awake) -> Absences:
    """Keep what the blocked see under their present addresses: another address is no other block."""
    found = dict[ContainerMember, Absence]()
    # Domains and the like are no people: they keep their entry. A person without an address takes theirs along.
    for member, one in absences.items():
        aor = where.get(member.value) if member.kind is MemberKind.USER else None
        if aor is not None:
            found[ContainerMember(MemberKind.USER, bare(aor))] = one
        elif member.kind is not MemberKind.USER:
            found[member] = one
    for sleeper, aor in awake:
        if sleeper.absence is not None:
            found.setdefault(ContainerMember(MemberKind.USER, bare(aor)), sleeper.absence)
    return found


def _gone_to_sleep(board: Board, names: BoardNames, where: _Where, owners: IOwners) -> Iterator[DormantName]:
    """Put those to sleep who have no address now, and whose data is kept."""
    for one, aor in where.items():
        if aor is None and owners.keeps(names.meant[one]):
            yield _put_to_sleep(board, one, names.meant[one])


def _put_to_sleep(board: Board, text: str, owner: OwnerId) -> DormantName:
    member, aor = ContainerMember(MemberKind.USER, text), _aor(text)
    return DormantName(
        aor,
        owner,
        tuple(id_ for id_, one in board.containers.items() if member in one.members),
        next((one for one in board.subscribers if one.aor == aor), None),
        next((one for one in board.delegates.members if one.aor == aor), None),
        board.absences.get(member),
    )


def _members(id_: int, container: Container, where: _Where, awake: _Awake) -> Container:
    members = set()
    for member in container.members:
        aor = where[member.value] if member.kind is MemberKind.USER else None
        if member.kind is not MemberKind.USER:
            members.add(member)
        elif aor is not None:
            members.add(ContainerMember(MemberKind.USER, bare(aor)))
    members.update(ContainerMember(MemberKind.USER, bare(aor)) for one, aor in awake if id_ in one.containers)
    return container if members == container.members else Container(container.version + 1, frozenset(members))


def _subscribers(subscribers: Iterable[Subscriber], where: _Where, awake: _Awake) -> tuple[Subscriber, ...]:
    found = {aor: replace(one, aor=aor) for one in subscribers if (aor := where[bare(one.aor)]) is not None}
    for one, aor in awake:
        if one.subscriber is not None:
            found.setdefault(aor, replace(one.subscriber, aor=aor))
    return tuple(found.values())


def _delegates(delegates: Iterable[Delegate], where: _Where, awake: _Awake) -> tuple[Delegate, ...]:
    found = {aor: one._replace(aor=aor) for one in delegates if (aor := where[bare(one.aor)]) is not None}
    for one, aor in awake:
        if one.delegate is not None:
            found.setdefault(aor, one.delegate._replace(aor=aor))
    return tuple(sorted(found.values()))
