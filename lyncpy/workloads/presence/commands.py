"""The words of presence in the admin shell."""

from collections.abc import Sequence
from datetime import UTC, datetime

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, Asked, Command, CommandFailed, Reason, Table
from lyncpy.core.notifier import Notifier
from lyncpy.workloads.presence.aggregate import word_of
from lyncpy.workloads.presence.audience import NOBODY, OWNER, Audience, audience, visible
from lyncpy.workloads.presence.board import Board
from lyncpy.workloads.presence.boards import Boards
from lyncpy.workloads.presence.model import (
    AGGREGATE_INSTANCE,
    BLOCKED,
    COLLEAGUES,
    EXTERNAL,
    FRIENDS,
    INPUT,
    OFFLINE,
    WORKGROUP,
    Instance,
    Key,
)
from lyncpy.workloads.presence.states import Aggregate, AggregateMachine, LegacyInterop, Services, StateKind
from lyncpy.workloads.presence.traffic import Traffic
from lyncpy.workloads.presence.watchers import EVENT, Watchers, Wishes

_TOP = 20

_LEVELS = {
    BLOCKED: "blocked",
    FRIENDS: "friends",
    WORKGROUP: "workgroup",
    COLLEAGUES: "colleagues",
    EXTERNAL: "external",
}


class Commands:
    """Who is shown how, to whom, and why."""

    def __init__(
        self,
        boards: Boards,
        watchers: Watchers,
        notifier: Notifier,
        locator: ILocator,
        people: IPeople,
        traffic: Traffic,
        timers: ITimers,
    ) -> None:
        """Take what the words speak of."""
        self._boards = boards
        self._watchers = watchers
        self._notifier = notifier
        self._locator = locator
        self._people = people
        self._traffic = traffic
        self._timers = timers

    def words(self) -> tuple[Command, ...]:
        """Give the commands."""
        user = Arg("user", "an address, as alice@example.com", choices=self._addresses)
        return (
            Command("presence show", "What a user is shown as, and all that makes it up.", self.show, args=(user,)),
            Command("presence watchers", "Who watches a user, and at which level.", self.watchers, args=(user,)),
            Command("presence watching", "Whom a user watches, and what he sees.", self.watching, args=(user,)),
            Command("presence top", "Which devices published most in the last minute, and what it cost.", self.top),
        )

    async def show(self, asked: Asked) -> Table:
        """List every publication on a user's board."""
        board = await self._board(asked)
        rows = [
            (
                key.category,
                key.instance,
                key.container,
                one.version,
                one.expire.value,
                one.epid or "server",
                _clock(one.published),
                _content(one),
            )
            for key, one in sorted(board.instances.items())
        ]
        columns = ("category", "instance", "container", "version", "expires", "by", "published", "content")
        return Table(columns, rows, note=f"{bare(board.aor)} is {_said(board)}")

    async def watchers(self, asked: Asked) -> Table:
        """List who watches a user."""
        board = await self._board(asked)
        rows = [
            (
                bare(one.watcher),
                one.epid,
                level_of(audience(board, one.watcher)),
                " ".join(sorted(watch.categories)),
                one.flow,
            )
            for one, watch in self._watchers.of(board.aor).items()
        ]
        return Table(("watcher", "epid", "level", "categories", "flow"), sorted(rows), note=f"{len(rows)} watch him")

    async def watching(self, asked: Asked) -> Table:
        """List whom a user watches."""
        watcher = (await self._board(asked)).aor
        rows: list[tuple[object, ...]] = []
        for subscription in self._notifier.of(EVENT, watcher):
            wishes: Wishes = subscription.data
            for aor, wish in sorted(wishes.items()):
                known = self._people.person(aor) is not None
                board = await self._boards.read(aor) if known else None
                shown = "no such user" if board is None else _seen(board, audience(board, watcher))
                rows.append((bare(aor), subscription.epid, shown, " ".join(sorted(wish.categories))))
        return Table(("watched", "epid", "sees", "categories"), rows, note=f"{len(rows)} watched")

    async def top(self, asked: Asked) -> Table:
        """List the busiest devices."""
        rows = []
        for row in self._traffic.busiest(self._timers.now(), _TOP):
            endpoints = await self._locator.endpoints(row.aor)
            client = next((one.user_agent for one in endpoints if one.epid == row.epid), "")
            rows.append((bare(row.aor), row.epid, client, row.publications, row.notifications, row.limited))
        columns = ("user", "epid", "client", "publications/min", "notifications caused/min", "limited")
        return Table(columns, rows, note=f"{len(rows)} published something new in the last minute")

    async def why(self, aor: Aor) -> Sequence[Reason]:
        """Explain what a user is shown as."""
        if self._people.person(aor) is None:
            return ()
        board = await self._boards.read(aor)
        states = [one for one in board.places.get(("state", INPUT), ()) if one.state is not None]
        made_of = [f"{_content(one)} of {one.epid} at {_clock(one.published)}" for one in states]
        reasons = [Reason("presence", f"is {_said(board)}" + "".join(f"; {text}" for text in made_of), good=True)]
        signed_in = await self._locator.endpoints(aor)
        if signed_in and not any(one.state and one.state.kind is StateKind.MACHINE for one in states):
            reasons.append(
                Reason(
                    "presence",
                    "signed in, but no device has published a state: shown as offline",
                    good=False,
                    remedy="clients publish once they have read their own data; sign the device out and in",
                )
            )
        if audience(board, Aor("sip:somebody@" + aor.rpartition("@")[2])) == NOBODY:
            reasons.append(
                Reason("presence", "blocks all colleagues", good=False, remedy="the user can change his access levels")
            )
        return reasons

    async def _board(self, asked: Asked) -> Board:
        user = asked.args["user"]
        person = self._people.person(aor_of(user)) or self._people.by_login("", user)
        if person is None:
            raise CommandFailed(f'there is no user "{user}"; see: users')
        return await self._boards.read(person.aor)

    def _addresses(self) -> Sequence[str]:
        return [bare(person.aor) for person in self._people.all()]


def level_of(seen_by: Audience) -> str:
    """Name an audience for an operator."""
    if seen_by == OWNER:
        return "himself"
    return _LEVELS.get(seen_by[0], str(seen_by[0])) if seen_by else "everybody"


def _said(board: Board) -> str:
    return _seen(board, (INPUT,)) if board.instances.get(Key("state", AGGREGATE_INSTANCE, INPUT)) else word_of(OFFLINE)


def _seen(board: Board, seen_by: Audience) -> str:
    one = next(iter(visible(board, seen_by, "state")), None)
    if one is None or not isinstance(one.value, Aggregate):
        return word_of(OFFLINE)
    return _words(one.value)


def _words(value: Aggregate) -> str:
    activity = f", {value.activity.token or 'custom'}" if value.activity else ""
    since = f", last active {_clock(value.last_active)}" if value.last_active is not None else ""
    return f"{word_of(value.availability)} ({value.availability}{activity}{since})"


def _content(one: Instance) -> str:
    if isinstance(one.value, Aggregate):
        return f"aggregateState {_words(one.value)}"
    if one.state is not None:
        manual = " manual" if one.state.manual else ""
        token = f" {one.state.activity.token}" if one.state.activity else ""
        return f"{one.state.kind.value} {one.state.availability}{manual}{token}"
    if isinstance(one.value, AggregateMachine):
        return f"aggregateMachineState {one.value.availability} of {one.value.endpoint_id or 'no device'}"
    if isinstance(one.value, Services):
        return " ".join(service.capability.name for service in one.value.services) or "nothing"
    if isinstance(one.value, LegacyInterop):
        return f"{one.value.availability} {one.value.token}".rstrip()
    return f"{len(one.value)} characters"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
