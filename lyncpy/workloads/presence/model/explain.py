"""The reasons for what a watcher sees, in sentences that an operator can read out. Pure.

Nothing is decided here: the level is that of `audience`, the state that of `aggregate`; this
module names the publications of which they were made. The whole explanation begins in `seen`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lyncpy.contracts.names import Aor, Epid, bare
from lyncpy.contracts.workload import Reason
from lyncpy.workloads.presence.model.aggregate import band_of, machine_of, most_active, weigh, word_of
from lyncpy.workloads.presence.model.audience import (
    STRANGER,
    BlockedAudience,
    Levels,
    audience,
    entry,
    listing,
    visible,
)
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.server_publications import inputs_of
from lyncpy.workloads.presence.model.states import Aggregate, Input, StateKind
from lyncpy.workloads.presence.model.tables import (
    AGGREGATED,
    BLOCKED,
    CATEGORIES,
    DECISION,
    INPUT,
    INPUT_LOWERED,
    LEVELS,
    LOOKUP,
    RAISES_BELOW,
    Band,
    Container,
    DecisionCell,
    Detail,
    Instance,
    MachineState,
    MemberKind,
    Relation,
)

_AT_IT: Final = {
    MachineState.ACTIVE: "somebody is at it",
    MachineState.INACTIVE: "it has been idle",
    MachineState.UNKNOWN: "it cannot tell whether somebody is there",
    MachineState.AWAY: "nobody is at it",
    MachineState.OFF: "it says that it is off",
}

_BY: Final = {
    MemberKind.USER: "listed as user in {id}",
    MemberKind.DOMAIN: "listed by domain in {id}",
    MemberKind.SAME_ENTERPRISE: "same enterprise in {id}",
    MemberKind.FEDERATED: "federated in {id}",
    MemberKind.PUBLIC_CLOUD: "public cloud in {id}",
    MemberKind.EVERYONE: "everyone in {id}",
}

_UNLOCK: Final = "the user can change their access level in a client"


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container in which a category is looked for, and the reason for it."""

    container: int
    because: str


def placed(board: Board, watcher: Aor, relation: Relation) -> tuple[FoundContainer, ...]:
    """Give the containers that decide what a watcher sees, in the order of the search."""
    found: dict[int, FoundContainer] = {}
    for kind in LOOKUP:
        ids = listing(board, kind, watcher, relation)
        if BLOCKED in ids:
            return (*found.values(), FoundContainer(BLOCKED, _because(board, kind, BLOCKED, watcher, relation)))
        for id_ in ids:
            found.setdefault(id_, FoundContainer(id_, _because(board, kind, id_, watcher, relation)))
    return tuple(found.values())


def _because(board: Board, kind: MemberKind, id_: int, watcher: Aor, relation: Relation) -> str:
    if board.private_to is not None and kind is not MemberKind.USER and id_ != BLOCKED:
        return f"private: a contact, {kind.value}"
    if entry(kind, watcher, relation) in board.containers.get(id_, Container()).members:
        return _BY[kind].format(id=id_)
    if kind is MemberKind.USER:
        return "delegate"
    return f"{_BY[kind].format(id=id_)}, by default"


def level(board: Board, watcher: Aor, relation: Relation) -> tuple[str, str]:
    """Give the name of a watcher's access level, and the reason for it."""
    if watcher == board.aor:
        return "themselves", "their own"
    first = next(iter(placed(board, watcher, relation)), None)
    if first is not None:
        return name_of(first.container), first.because
    if board.private_to is not None:
        return "nobody", "private: not a contact"
    return "everybody", "on no list"


def name_of(container: int) -> str:
    """Give the name of a container for an operator."""
    return LEVELS[container].name if container in LEVELS else f"container {container}"


def clock(at: float) -> str:
    """Write a time (wall-clock seconds) in UTC, as `core.timestamps` does."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def words_of(value: Aggregate) -> str:
    """Write an aggregate state for an operator."""
    activity = f", {value.activity.token or 'custom'}" if value.activity else ""
    since = f", last active {clock(value.last_active)}" if value.last_active is not None else ""
    return f"{word_of(value.availability)} ({value.availability}{activity}{since})"


# --- one watcher


def seen(board: Board, watcher: Aor, relation: Relation, now: float, devices: Mapping[Epid, str]) -> Iterator[Reason]:
    """Explain everything that a watcher sees of a user.

    Args:
        board: The user's board.
        watcher: The watcher's address.
        relation: The watcher's relation to the enterprise.
        now: Wall-clock seconds.
        devices: The user's endpoints that are signed in → the name of the client.
    """
    who, other = short(board.aor, board.aor), short(watcher, board.aor)
    seen_by = audience(board, watcher, relation)
    if isinstance(seen_by, BlockedAudience):
        because = placed(board, watcher, relation)[-1].because
        yield Reason("level", f"{who} blocks {other}: {because}", good=False, remedy=_UNLOCK)
        yield Reason(
            "state", f"{other} sees {who} as if {who} had signed out when blocking, whatever {who} does", good=False
        )
        return
    if seen_by == STRANGER:
        hides = f"{who} is in privacy mode, and {other} is not a contact"
        yield Reason("level", hides, good=False, remedy=f"{who} can add {other} as a contact")
        yield Reason("state", f"{other} sees {who} offline, with name and mail address and nothing else", good=False)
        return
    yield from _level(board, watcher, relation)
    one = next(iter(visible(board, seen_by, "state")), None)
    if one is None:
        hides = f"no container that {other} is in holds a state of {who}: offline"
        yield Reason("state", hides, good=False, remedy=_UNLOCK)
    else:
        yield from _state(board, one, other, now, devices)
    yield from _rest(board, watcher, seen_by)
    yield from _changes(board, now)


def _level(board: Board, watcher: Aor, relation: Relation) -> Iterator[Reason]:
    who, other = short(board.aor, board.aor), short(watcher, board.aor)
    if watcher == board.aor:
        yield Reason("level", f"{who} sees all that any level sees", good=True)
        return
    for index, one in enumerate(placed(board, watcher, relation)):
        if one.container == BLOCKED:
            ends = f"nothing further is shown, because {other} is blocked: {one.because}"
            yield Reason("level", ends, good=False, remedy=_UNLOCK)
        else:
            where = f"container {one.container} ({name_of(one.container)})"
            means = f"{other} is in {where}: {one.because}" if not index else f"then {where} is asked: {one.because}"
            yield Reason("level", means, good=True)
    if not placed(board, watcher, relation):
        yield Reason("level", f"{other} is on no list of {who}'s: what everybody sees", good=True)


def _state(board: Board, one: Instance, other: str, now: float, devices: Mapping[Epid, str]) -> Iterator[Reason]:
    who = short(board.aor, board.aor)
    container = one.key.container
    where = f"container {container} ({name_of(container)})"
    if not isinstance(one.value, Aggregate) or container not in AGGREGATED:
        yield Reason("state", f"{other} sees in {where} what a client of {who}'s has published itself", good=True)
        return
    source, told = AGGREGATED[container], LEVELS[container].told
    yield Reason("state", f"{other} sees {who} as {words_of(one.value)}, from {where}", good=True)
    yield from made_of(board, source, now, devices, told=told)
    if told is Detail.NUMBER:
        yield Reason(
            "hidden", "this level is shown the number only: neither activity, device, place nor meeting", good=True
        )


def made_of(
    board: Board, source: int, now: float, devices: Mapping[Epid, str], *, told: Detail = Detail.WHOLE
) -> Iterator[Reason]:
    """Explain how the aggregate state of container 2 or 3 is computed.

    Args:
        board: The user's board.
        source: The container whose states are aggregated.
        now: Wall-clock seconds.
        devices: As for `seen`.
        told: The part of the state that the access level shows.
    """
    who = short(board.aor, board.aor)
    inputs = inputs_of(board.instances)[0][source]
    valid = [one for one in inputs if one.state.is_valid(now)]
    lower = source == INPUT_LOWERED
    yield from _machines(who, valid, devices)
    weighed = weigh(valid, lower_dnd=lower)
    if weighed.user is not None:
        number = weighed.user.state.availability
        plain = weigh(valid).user or weighed.user
        chose = (
            f"{who} chose {word_of(plain.state.availability)} ({plain.state.availability}) at {clock(plain.published)}"
        )
        chose += f" on device {plain.epid}" + ("" if plain.epid in devices else ", which is signed out")
        if plain.state.availability != number:
            chose += f"; this level is shown {word_of(number)} ({number}, urgent interruptions only) in its place"
        yield Reason("made of", chose, good=True)
    for one in sorted(valid, key=lambda one: one.published):
        if one.state.kind in _SAYING:
            yield Reason("made of", _saying(one, who, told), good=True)
    yield Reason("made of", _decided(weighed.reach, weighed.machine, who, weighed.user, weighed.best), good=True)


def _machines(who: str, valid: Sequence[Input], devices: Mapping[Epid, str]) -> Iterator[Reason]:
    best = most_active(valid)
    if best is None:
        if devices:
            yield Reason(
                "made of",
                f"{who} is signed in, but no device has published a state: shown as offline",
                good=False,
                remedy="clients publish once they have read their own data; sign the device out and in",
            )
        else:
            yield Reason("made of", f"{who} is not signed in on any device", good=True)
        return
    machines = [one for one in valid if one.state.kind is StateKind.MACHINE]
    for one in sorted(machines, key=lambda one: one is not best):
        says = f"{_AT_IT[machine_of(one.state.availability)]} ({one.state.availability}) since {clock(one.published)}"
        client = f" ({devices[one.epid]})" if one.epid is not None and one.epid in devices else ""
        most = "; the most active" if one is best and len(machines) > 1 else ""
        yield Reason("made of", f"device {one.epid}{client}: {says}{most}", good=True)


_SAYING: Final = {StateKind.CALENDAR: "a meeting", StateKind.PHONE: "a call", StateKind.CONFERENCE: "a conference"}


def _saying(one: Input, who: str, told: Detail) -> str:
    state = one.state
    what = _SAYING[state.kind]
    if state.meeting_subject or state.meeting_location:
        # What people write is not for administrators; that it is shown is.
        what += f" (what and where it is, this level is {'' if told is Detail.WHOLE else 'not '}told)"
    began = f" since {clock(state.starts)}" if state.starts is not None else ""
    until = began + (f" until {clock(state.ends)}" if state.ends is not None else "")
    token = f", {state.activity.token}" if state.activity and state.activity.token else ""
    if state.availability >= RAISES_BELOW:
        return f"the calendar says {word_of(state.availability)}{token}{until}; it counts only while {who} is absent"
    return f"{what} makes {who} {word_of(state.availability)} ({state.availability}{token}){until}"


def _decided(reach: int, machine: MachineState, who: str, user: Input | None, best: Input | None) -> str:
    band = band_of(reach)
    word = band.name.lower().replace("_", " ")
    match DECISION[machine][band]:
        case DecisionCell.OFF if band is Band.OFFLINE and user is not None and best is not None:
            return f"{who} has chosen to appear offline"
        case DecisionCell.OFF:
            return f"no device can be reached, so {who} is offline"
        case DecisionCell.SHADE:
            return f"nobody is active at a device, so {word} is shown as inactive"
        case DecisionCell.MACHINE:
            return f"nobody is at a device, and {word} ends with that: {who} is shown as the device says"
    if machine is MachineState.ACTIVE:
        return f"{who} counts as there, so {word} holds"
    return f"{word} holds, whether somebody is at a device or not"


def _rest(board: Board, watcher: Aor, seen_by: Levels) -> Iterator[Reason]:
    """Tell which publications beside the state are shown, and which are hidden."""
    shown, empty, closed = [], [], []
    for category in sorted(name for name, one in CATEGORIES.items() if one.shown and name != "state"):
        found = visible(board, seen_by, category)
        # A category that is not seen is either closed at the level ([MS-PRES] 3.5: the search ends there), or
        # published in containers of other levels only; of one that was never published there is nothing to say.
        if found:
            one = max(found, key=lambda one: one.published)
            by = "the server" if one.made else f"device {one.epid}"
            where = f"container {one.key.container}, by {by} at {clock(one.published)}"
            shown.append(Reason("shown", f"{category}: {where}", good=True))
        elif watcher != board.aor and any(category in LEVELS[id_].closed for id_ in seen_by if id_ in LEVELS):
            closed.append(category)
        elif any(board.instances_of(category)):
            empty.append(category)
    yield from shown
    if closed:
        yield Reason("hidden", f"closed at this level: {', '.join(closed)}", good=True)
    if empty:
        yield Reason("hidden", f"published, but not for this level: {', '.join(empty)}", good=True)


def _changes(board: Board, now: float) -> Iterator[Reason]:
    """Tell what time alone will change."""
    coming: set[tuple[float, str]] = set()
    for one in board.instances.values():
        # Two clocks run: a publication's own lifetime ([MS-PRES] 3.7.5, `time`), and the start and end of a meeting
        # that it speaks of. The latter counts where states are aggregated.
        if one.until is not None:
            what = f"{one.state.kind.value} {one.state.availability}" if one.state is not None else one.key.category
            coming.add((one.until, f"{what} lapses"))
        if one.state is not None and one.key.container in (INPUT, INPUT_LOWERED):
            what = _SAYING.get(one.state.kind, one.state.kind.value)
            for at, does in ((one.state.starts, "begins"), (one.state.ends, "ends")):
                if at is not None and at > now:
                    coming.add((at, f"{what} {does} ({word_of(one.state.availability)})"))
    for at, what in sorted(coming):
        yield Reason("changes", f"at {clock(at)}: {what}", good=True)


def short(aor: Aor, owner: Aor) -> str:
    """Give the user name of an address in the owner's domain, else the whole address."""
    user, _, domain = bare(aor).partition("@")
    return user if domain == bare(owner).partition("@")[2] and user else bare(aor)
