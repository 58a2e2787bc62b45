"""The commands about presence in the admin shell."""

from collections.abc import Iterator, Mapping, Sequence

from lyncpy.contracts.answers import form
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor, Epid, aor_of, bare
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandReach, OperatorRole, Reason, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.core.notifier import Notifier
from lyncpy.workloads.presence.model.aggregate import word_of
from lyncpy.workloads.presence.model.audience import STRANGER, Audience, audience, is_blocked, visible
from lyncpy.workloads.presence.model.board import Board, Published, reset
from lyncpy.workloads.presence.model.explain import clock, level, made_of, name_of, seen, words_of
from lyncpy.workloads.presence.model.states import Aggregate, AggregateMachine, LegacyInterop, Services
from lyncpy.workloads.presence.model.tables import (
    AGGREGATE_INSTANCE,
    BLOCKED,
    DEFAULT,
    INPUT,
    OFFLINE,
    STANDARD_CONTAINERS,
    VISIBLE,
    Container,
    ContainerMember,
    Instance,
    InstanceKey,
    Relation,
)
from lyncpy.workloads.presence.model.traffic import Traffic
from lyncpy.workloads.presence.presentities import Presentities
from lyncpy.workloads.presence.watcher_index import EVENT, WatchedPeople, WatcherIndex

_TOP = 20


class Commands:
    """Shows boards, their watchers, and the reasons for what is seen."""

    def __init__(
        self,
        presentities: Presentities,
        watchers: WatcherIndex,
        notifier: Notifier,
        locator: ILocator,
        policies: IPolicies,
        traffic: Traffic,
        timers: ITimers,
    ) -> None:
        self._people = presentities.people
        self._boards = presentities.boards
        self._relation = presentities.relation
        self._watchers = watchers
        self._notifier = notifier
        self._locator = locator
        self._policies = policies
        self._traffic = traffic
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the commands."""
        user = Arg("user", "an address, as alice@example.com", choices=self._addresses)
        return (
            ShellCommand(
                "presence show",
                "What a user is shown as, and all that makes it up.",
                self.show,
                args=(user,),
                form=form(
                    "category instance:number? container:number? version:number? expires? by? published:time? content"
                ),
            ),
            ShellCommand(
                "presence watchers",
                "Who watches a user, and at which level.",
                self.watchers,
                args=(user,),
                form=form("watcher epid level because form categories notifications:number flow"),
                reach=CommandReach.EVERYWHERE,
            ),
            ShellCommand(
                "presence watching",
                "Whom a user watches, and what they see.",
                self.watching,
                args=(user,),
                form=form("watched epid sees level form categories"),
                reach=CommandReach.EVERYWHERE,
            ),
            ShellCommand(
                "presence containers",
                "Who is in a user's access levels.",
                self.containers,
                args=(user,),
                form=form("container:number name version:number members holds"),
            ),
            ShellCommand(
                "presence subscribers",
                "About whom a user is asked.",
                self.subscribers,
                args=(user,),
                form=form("watcher name relation state context:truth"),
            ),
            ShellCommand(
                "presence reset",
                "Drop the states that a user has chosen by hand.",
                self.reset,
                args=(user,),
                role=OperatorRole.OPERATOR,
                form=form(counts="dropped"),
            ),
            ShellCommand(
                "presence top",
                "Which devices published most in the last minute, and what it cost.",
                self.top,
                reach=CommandReach.EVERYWHERE,
                form=form("user epid client publications_per_min:number notifications_per_min:number limited:number"),
            ),
        )

    async def show(self, asked: CommandCall) -> Table:
        """List what each access level sees of a user, all publications on their board, and their delegates."""
        board = await self._board(asked)
        rows: list[tuple[object, ...]] = [
            ("level", None, id_, None, None, None, None, f"{name_of(id_)}: {_seen(board, (id_,))}")
            for id_ in (*reversed(VISIBLE), BLOCKED)
        ]
        rows += [
            (
                key.category,
                key.instance,
                key.container,
                one.version,
                f"time, at {clock(one.until)}" if one.until is not None else one.expire.value,
                one.epid or "server",
                clock(one.published),
                _content(one),
            )
            for key, one in sorted(board.instances.items())
        ]
        delegates = ", ".join(bare(one.aor) for one in board.delegates.members)
        waiting = sum(not one.acknowledged for one in board.subscribers)
        subscribers = f"{waiting} to ask about, {len(board.subscribers) - waiting} known"
        rows += [
            ("delegates", None, None, board.delegates.version, None, None, None, delegates or "nobody"),
            ("subscribers", None, None, None, None, None, None, subscribers),
            ("privacy mode", None, None, None, None, None, None, self._privacy(board)),
        ]
        columns = ("category", "instance", "container", "version", "expires", "by", "published", "content")
        return Table(columns, rows, note=f"{bare(board.aor)} is {_said(board)}")

    async def watchers(self, asked: CommandCall) -> Table:
        """List the watchers of a user."""
        board = await self._board(asked)
        rows = []
        for one, watch in self._watchers.watchers_of(board.aor).items():
            name, because = level(board, one.watcher, self._relation(one.watcher))
            form = watch.asked.form.name.lower()
            told = one.machine.dialog.local_seq
            wants = " ".join(sorted(watch.asked.categories))
            rows.append((bare(one.watcher), one.epid, name, because, form, wants, told, one.flow))
        columns = ("watcher", "epid", "level", "because", "form", "categories", "notifications", "flow")
        return Table(columns, sorted(rows), note=f"{len(rows)} watch them")

    async def watching(self, asked: CommandCall) -> Table:
        """List the people whom a user watches."""
        watcher = (await self._board(asked)).aor
        rows: list[tuple[object, ...]] = []
        for subscription in self._notifier.subscriptions_of(EVENT, watcher):
            watched_people: WatchedPeople = subscription.data
            for aor, watched in sorted(watched_people.items()):
                known = self._people.person(aor) is not None
                board = await self._boards.read(aor) if known else None
                relation = self._relation(watcher)
                shown = "no such user" if board is None else _seen(board, audience(board, watcher, relation))
                at = "" if board is None else level(board, watcher, relation)[0]
                form = watched.form.name.lower()
                rows.append((bare(aor), subscription.epid, shown, at, form, " ".join(sorted(watched.categories))))
        columns = ("watched", "epid", "sees", "level", "form", "categories")
        return Table(columns, rows, note=f"{len(rows)} watched")

    async def containers(self, asked: CommandCall) -> Table:
        """List the members of each container, and the categories in it."""
        board = await self._board(asked)
        held: dict[int, list[str]] = {}
        for category, container in board.places:
            held.setdefault(container, []).append(category)
        rows = []
        for id_ in sorted({*STANDARD_CONTAINERS, *board.containers, *held}):
            listed = board.containers.get(id_, Container())
            named = sorted(listed.members, key=lambda one: (one[0].value, one[1]))
            members = "everyone" if id_ == DEFAULT else ", ".join(_member(one) for one in named)
            rows.append((id_, name_of(id_), listed.version, members, " ".join(sorted(held.get(id_, ())))))
        columns = ("container", "name", "version", "members", "holds")
        return Table(columns, rows, note=f"privacy mode: {self._privacy(board)}")

    async def subscribers(self, asked: CommandCall) -> Table:
        """List the watchers to whom a user was, or is to be, introduced."""
        board = await self._board(asked)
        rows = [
            (
                bare(one.aor),
                one.display_name,
                self._relation(one.aor).value.value,
                "known" if one.acknowledged else "to be asked about",
                bool(one.context),
            )
            for one in board.subscribers
        ]
        limit = self._policies.policy_of(board.aor).prompted_subscribers
        note = f"as many as {limit} may wait to be asked about" if limit else "a policy asks them about nobody"
        return Table(("watcher", "name", "relation", "state", "context"), rows, note=note)

    async def reset(self, asked: CommandCall) -> Table:
        """Drop the states that a user has chosen by hand; their endpoints are told."""
        board = await self._board(asked)
        outcome = await self._boards.change(board.aor, reset)
        after = outcome.board if isinstance(outcome, Published) else board
        dropped = len(board.instances) - len(after.instances)
        note = f"{dropped} publications were dropped; {bare(board.aor)} is {_said(after)}"
        note = note if dropped else "they have chosen nothing by hand"
        return Table((), (), note=note, counts={"dropped": dropped})

    async def top(self, asked: CommandCall) -> Table:
        """List the endpoints that published most in the last minute."""
        rows = []
        for row in self._traffic.busiest(self._timers.now(), _TOP):
            endpoints = await self._locator.endpoints(row.aor)
            client = next((one.user_agent for one in endpoints if one.epid == row.epid), "")
            rows.append((bare(row.aor), row.epid, client, row.publications, row.notifications, row.limited))
        columns = ("user", "epid", "client", "publications_per_min", "notifications_per_min", "limited")
        return Table(columns, rows, note=f"{len(rows)} published something new in the last minute")

    async def why(self, aor: Aor) -> Sequence[Reason]:
        """Explain a user's state."""
        if self._people.person(aor) is None:
            return ()
        board = await self._boards.read(aor)
        reasons = [Reason("presence", f"is {_said(board)}", good=True)]
        devices = await self._devices(aor)
        for one in made_of(board, INPUT, self._timers.wall(), devices):
            reasons.append(Reason("presence", one.finding, good=one.good, remedy=one.remedy))
        if is_blocked(audience(board, aor_of("sip:somebody@" + aor.rpartition("@")[2]))):
            reasons.append(
                Reason(
                    "presence", "blocks all colleagues", good=False, remedy="the user can change their access levels"
                )
            )
        return reasons

    async def why_seen(self, aor: Aor, watcher: Aor) -> Sequence[Reason]:
        """Explain what a watcher sees of a user."""
        if self._people.person(aor) is None:
            return (Reason("directory", f'there is no user "{bare(aor)}"', good=False, remedy="see: users"),)
        relation = self._relation(watcher)
        if relation is Relation.SAME_ENTERPRISE and self._people.person(watcher) is None:
            return (Reason("directory", f'there is no user "{bare(watcher)}"', good=False, remedy="see: users"),)
        board = await self._boards.read(aor)
        story = seen(board, watcher, relation, self._timers.wall(), await self._devices(aor))
        seen_by = audience(board, watcher, relation)
        told = () if is_blocked(seen_by) or seen_by == STRANGER else self._watching(aor, watcher)
        return (*story, *told)

    def _watching(self, aor: Aor, watcher: Aor) -> Iterator[Reason]:
        """Tell whether a watcher's endpoints have subscribed at all."""
        if aor == watcher:
            return  # a user's own devices are told by `roaming`
        epids = sorted(one.epid for one in self._watchers.watchers_of(aor) if one.watcher == watcher)
        if epids:
            yield Reason("watching", f"{bare(watcher)} is told of changes on {', '.join(epids)}", good=True)
        else:
            hides = f"no device of {bare(watcher)} watches {bare(aor)} now"
            yield Reason(
                "watching", hides, good=False, remedy="they are shown nothing until they are signed in and look"
            )

    async def _devices(self, aor: Aor) -> Mapping[Epid, str]:
        return {one.epid: one.user_agent for one in await self._locator.endpoints(aor)}

    def _privacy(self, board: Board) -> str:
        if board.private_to is None:
            return "off"
        by = "a policy" if self._policies.policy_of(board.aor).privacy_mode else "the user"
        return f"on, by {by}: their {len(board.private_to)} contacts may see them, and who is placed by name"

    async def _board(self, asked: CommandCall) -> Board:
        return await self._boards.read(person_named(self._people, asked.args["user"]).aor)

    def _addresses(self) -> Sequence[str]:
        return addresses(self._people)


def _said(board: Board) -> str:
    return (
        _seen(board, (INPUT,))
        if board.instances.get(InstanceKey("state", AGGREGATE_INSTANCE, INPUT))
        else word_of(OFFLINE)
    )


def _seen(board: Board, seen_by: Audience) -> str:
    one = next(iter(visible(board, seen_by, "state")), None)
    if one is None or not isinstance(one.value, Aggregate):
        return word_of(OFFLINE)
    return words_of(one.value)


def _content(one: Instance) -> str:
    # Of what people write, only the length: it is not for administrators.
    if isinstance(one.value, Aggregate):
        return f"aggregateState {words_of(one.value)}"
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


def _member(member: ContainerMember) -> str:
    kind, value = member
    return f"{kind.value} {value}".rstrip()
