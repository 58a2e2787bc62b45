"""The access to a board: members of containers, delegates, subscribers, privacy. Pure.

As in `board`, every function takes a board and gives a new one with the differences. What an
audience then sees is in `audience`. Spec: [MS-PRES] 3.5, 3.6.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lyncpy.contracts.names import NO_EPID, Aor, aor_of, bare, domain_of, kept_aor
from lyncpy.workloads.presence.model.absences import Absence, Absences, remains_of
from lyncpy.workloads.presence.model.board import (
    Board,
    BoardDelta,
    Outcome,
    PublicationDenied,
    Published,
    StaleVersions,
    VersionFault,
    leave,
    roomy,
    with_aggregates,
)
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.server_publications import STATES
from lyncpy.workloads.presence.model.states import Aggregate
from lyncpy.workloads.presence.model.tables import (
    BLOCKED,
    COLLEAGUES,
    DEFAULT,
    DELEGATE_LEVEL,
    VISIBLE,
    Container,
    ContainerMember,
    Delegate,
    Delegates,
    Denial,
    MemberKind,
    Relation,
    Subscriber,
)

RelationOf = Callable[[Aor], Relation]
"""Gives the relation of an address to the enterprise."""


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One container of a request to change members."""

    container: int
    version: int
    add: frozenset[ContainerMember]
    remove: frozenset[ContainerMember]


def member_of(kind: MemberKind, text: str) -> ContainerMember:
    """Make a member of a client's text: an address and a domain in their normal form, other kinds as they are."""
    match kind:
        case MemberKind.USER:
            return ContainerMember(kind, bare(aor_of(text)) if text else "")
        case MemberKind.DOMAIN:
            return ContainerMember(kind, domain_of(text))
        case _:
            return ContainerMember(kind, text)


def set_members(
    board: Board,
    changes: Sequence[MemberChange],
    now: float,
    quotas: Quotas,
    relation: RelationOf,
) -> Outcome:
    """Change the members of containers. All or nothing.

    A change that is already true does nothing, whatever its version: clients learn of the
    new version from a notification, and may ask again before it comes.

    Args:
        board: The user's board.
        changes: In document order; a fault counts them from 1.
        now: Wall-clock seconds.
        quotas: The board's bounds.
        relation: Gives the relation of an address to the enterprise.

    Returns:
        As for `publish`; the fault of a stale version has the number of a container as its key.

    Spec: [MS-PRES] 3.6; the list of container 0 is fixed.
    """
    containers = dict(board.containers)
    faults = []
    for index, change in enumerate(changes, 1):
        # Everybody is in container 0; its list cannot be written ([MS-PRES] 3.6).
        if change.container == DEFAULT:
            return PublicationDenied(Denial.READ_ONLY)
        old = containers.get(change.container, Container())
        members = (old.members - change.remove) | change.add
        if members == old.members:
            continue
        # Each list has a version of its own; like a publication's, every stale one is named in the fault.
        if change.version != old.version:
            faults.append(VersionFault(index, change.container, change.version, old.version))
            continue
        if len(members) > max(quotas.members, len(old.members)):  # a bound that was lowered lets people be taken off
            return PublicationDenied(Denial.TOO_MANY_MEMBERS)
        containers[change.container] = Container(old.version + 1, members)
    if faults:
        return StaleVersions(tuple(faults))
    # As for publications, what was above a bound that was lowered may shrink, and may not grow.
    if _members(containers) > max(quotas.members_in_all, _members(board.containers)):
        return PublicationDenied(Denial.TOO_MANY_MEMBERS)
    if len(containers) > max(quotas.containers, len(board.containers)):
        return PublicationDenied(Denial.TOO_MANY_CONTAINERS)
    if containers == board.containers:
        return Published(board, BoardDelta())
    changed = board.having(containers=containers, absences=_absences(board, containers, now, relation))
    return with_aggregates(board, roomy(changed, quotas), now, ())


def _absences(board: Board, containers: Mapping[int, Container], now: float, relation: RelationOf) -> Absences:
    """Note for each member who is blocked from now on what they go on seeing: a user who signed out at this moment."""
    before, after = (one.get(BLOCKED, Container()).members for one in (board.containers, containers))
    if before == after:
        return board.absences
    known = {member: one for member, one in board.absences.items() if member in after}
    if after <= before:
        return known
    gone = leave(board, NO_EPID, now, last=True).board
    private = board.private_to is not None
    remains = remains_of(gone.instances, board.containers, known, private=private)
    state = gone.instances[STATES[COLLEAGUES]]
    ages = tuple(gone.instances[STATES[id_]].published for id_ in VISIBLE)
    ages = () if len(set(ages)) == 1 else ages
    last_active = state.value.last_active if isinstance(state.value, Aggregate) else None
    for member in sorted(after - before, key=str):
        listed = _listed(board, member)
        inherited = None if listed else _blocked_before(board, member, relation)
        contact = kept_aor(f"sip:{member.value}") in (board.private_to or ())
        known[member] = inherited or Absence(state.published, last_active, listed, remains, contact, ages)
    return known


def _listed(board: Board, member: ContainerMember) -> tuple[int, ...]:
    """Give the containers that a member belongs to, by name or, for a delegate, implicitly."""
    found = tuple(sorted(id_ for id_, one in board.containers.items() if member in one.members and id_ != BLOCKED))
    if found or member.kind is not MemberKind.USER:
        return found
    is_delegate = any(bare(one.aor) == member.value for one in board.delegates.members)
    return (DELEGATE_LEVEL,) if is_delegate else ()


def _blocked_before(board: Board, member: ContainerMember, relation: RelationOf) -> Absence | None:
    """Give the absence of a member whom a wider entry blocks already: for them, being blocked by name changes nothing."""
    wider = [ContainerMember(MemberKind.EVERYONE)]
    if member.kind in (MemberKind.USER, MemberKind.DOMAIN):
        domain = member.value.rpartition("@")[2]
        # Of all people of a domain the same is true.
        somebody = kept_aor(f"sip:{member.value if member.kind is MemberKind.USER else f'somebody@{domain}'}")
        wider.insert(0, ContainerMember(relation(somebody).value))
        if member.kind is MemberKind.USER:
            wider.insert(0, ContainerMember(MemberKind.DOMAIN, domain))
    for one in wider:
        ids = [id_ for id_, container in board.containers.items() if one in container.members]
        # The search for a watcher ends at the first kind that lists them (`LOOKUP`); behind it no block counted.
        if BLOCKED in ids:
            return board.absences.get(one)
        if ids:
            return None
    return None


def again(board: Board, now: float) -> Board:
    """Give a stored board for this process: absences begin now, because all that the server publishes is made now."""
    shut_out = board.containers.get(BLOCKED)
    if shut_out is None or not shut_out.members:
        return board
    absences = {one: absence.since(now) for one, absence in board.absences.items() if one in shut_out.members}
    for one in shut_out.members - absences.keys():
        absences[one] = Absence(now)
    return board.having(absences=absences)


def set_delegates(
    board: Board, version: int, add: Collection[Delegate], remove: Collection[Aor], now: float, quotas: Quotas
) -> Outcome:
    """Change the delegates of a user.

    Args:
        board: The user's board.
        version: The version of the list that the client saw last.
        add: New delegates, or the same with other rights.
        remove: Addresses that are delegates no longer; one that is none is ignored.
        now: Wall-clock seconds.
        quotas: The board's bounds.

    Returns:
        As for `publish`; the fault of a stale version has no key.

    Spec: [MS-PRES] 2.2.2.10, 3.5.5.5.
    """
    old = board.delegates
    gone = {*remove, *(one.aor for one in add)}
    members = tuple(sorted((*add, *(one for one in old.members if one.aor not in gone))))
    if members == old.members:
        return Published(board, BoardDelta())
    if version != old.version:
        return StaleVersions((VersionFault(1, None, version, old.version),))
    if len(members) > max(quotas.delegates, len(old.members)):
        return PublicationDenied(Denial.TOO_MANY_DELEGATES)
    changed = board.having(delegates=Delegates(old.version + 1, members), containers=dict(board.containers))
    return with_aggregates(board, changed, now, ())


def subscribe(
    board: Board,
    aor: Aor,
    display_name: str,
    now: float,
    limit: int,
    *,
    context: str = "",
) -> Published:
    """Note a watcher whom the user may not know, so that the user can be prompted.

    Nothing happens for a watcher who is noted already, is a delegate or the user, or
    is named by one of the user's own lists; nor when as many as `limit` wait for an answer.

    Args:
        board: The user's board.
        aor: The watcher's address.
        display_name: The watcher's name, "" for none.
        now: Wall-clock seconds.
        limit: Subscribers who may wait for the user's answer; 0: nobody is ever asked about.
        context: The XML of the watcher's subscription context, "" for none.

    Spec: [MS-PRES] 2.2.2.6; MaxPromptedSubscriber of the presence policy.
    """
    waiting = sum(not one.acknowledged for one in board.subscribers)
    known = {one.aor for one in board.subscribers} | {one.aor for one in board.delegates.members} | {board.aor}
    listed = ContainerMember(MemberKind.USER, bare(aor))
    if aor in known or waiting >= limit or _lists(board, listed):
        return Published(board, BoardDelta())
    subscribers = (*board.subscribers, Subscriber(aor, display_name, context=context))
    return with_aggregates(board, board.having(subscribers=subscribers), now, ())


def unsubscribe(board: Board, aor: Aor, now: float) -> Published:
    """Forget a subscriber who has stopped watching before the user gave an answer."""
    kept = tuple(one for one in board.subscribers if one.aor != aor or one.acknowledged)
    return with_aggregates(board, board.having(subscribers=kept), now, ())


def acknowledge(
    board: Board, subscribers: Collection[Aor], now: float, quotas: Quotas
) -> Published | PublicationDenied:
    """Mark subscribers as known to the user ([MS-PRES] 3.6, setSubscribers); denied for one who is none."""
    if not set(subscribers) <= {one.aor for one in board.subscribers}:
        return PublicationDenied(Denial.NO_SUBSCRIBER)
    return _acknowledged(board, subscribers, now, quotas)


def privatise(board: Board, contacts: frozenset[Aor], now: float, quotas: Quotas, *, private: bool) -> Published:
    """Apply the user's contact list: it acknowledges contacts, and in privacy mode only they see the user.

    Args:
        board: The user's board.
        contacts: All addresses on the user's list.
        now: Wall-clock seconds.
        quotas: The board's bounds.
        private: Whether a policy turns privacy mode on; the user may turn it on as well.
    """
    private_to = contacts if private or board.wants_privacy else None
    changed = board
    if private_to != board.private_to:
        changed = board.having(private_to=private_to, containers=dict(board.containers))
    return _acknowledged(board, contacts, now, quotas, changed)


def still_shown(board: Board, contacts: frozenset[Aor] | None) -> frozenset[Aor]:
    """Give the addresses that may go on seeing a private board while its user's contact list cannot be applied.

    They saw it before, and are contacts as far as is known. Subscribers who wait for an answer are left out: to
    acknowledge them would have to be written.

    Args:
        board: The user's board.
        contacts: All addresses on the user's list; None: the list cannot be read.
    """
    shown = board.private_to or frozenset()
    waiting = {one.aor for one in board.subscribers if not one.acknowledged}
    return (shown if contacts is None else shown & contacts) - waiting


def _acknowledged(
    board: Board, known: Collection[Aor], now: float, quotas: Quotas, changed: Board | None = None
) -> Published:
    subscribers = [replace(one, acknowledged=one.acknowledged or one.aor in known) for one in board.subscribers]
    excess = sum(one.acknowledged for one in subscribers) - quotas.subscribers
    if excess > 0:
        oldest = [one for one in subscribers if one.acknowledged][:excess]
        subscribers = [one for one in subscribers if one not in oldest]
    return with_aggregates(board, (changed or board).having(subscribers=tuple(subscribers)), now, ())


def _members(containers: Mapping[int, Container]) -> int:
    return sum(len(one.members) for one in containers.values())


def _lists(board: Board, member: ContainerMember) -> bool:
    return any(member in one.members for one in board.containers.values())
