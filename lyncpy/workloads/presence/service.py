"""The life of presence."""

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import BoardChanged, EndpointGone, PersonChanged
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.homes import Homes
from lyncpy.core.notifier import Notifier
from lyncpy.workloads.presence.audience import NOBODY, audience
from lyncpy.workloads.presence.boards import Boards
from lyncpy.workloads.presence.commands import Commands
from lyncpy.workloads.presence.fanout import Fanout
from lyncpy.workloads.presence.routes import Routes
from lyncpy.workloads.presence.settings import Settings
from lyncpy.workloads.presence.watchers import Views, Watchers


@implementer(IWorkload, IPrivacy)
class Presence:
    """Boards, who may see them, and who is told."""

    name = "presence"

    def __init__(
        self,
        store: IStore,
        bus: IBus,
        locator: ILocator,
        people: IPeople,
        notifier: Notifier,
        homes: Homes,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Build the rooms; boards are read from the store when somebody asks for them."""
        self._bus = bus
        self._people = people
        self._boards = Boards(store, bus, people, homes, timers, in_memory=settings.boards_in_memory)
        watchers = Watchers(total=settings.watchings_total)
        views = Views(boards=settings.boards_in_memory)
        self._fanout = Fanout(self._boards, watchers, views, notifier, timers, gather_s=settings.gather_ms / 1000)
        routes = Routes(self._boards, watchers, views, notifier, locator, people, settings)
        commands = Commands(self._boards, watchers, notifier, locator, people)
        self.offer = Offer(self.name, routes=routes.rows(), commands=commands.words(), reasons=(commands.why,))
        self._listening: tuple[IListening, ...] = ()

    async def open(self) -> None:
        """Hear of changes, of endpoints that go and of people who change."""
        self._listening = (
            self._bus.listen(BoardChanged, self._fanout.board_changed),
            self._bus.listen(EndpointGone, self._fanout.endpoint_gone),
            self._bus.listen(PersonChanged, self._fanout.person_changed),
        )

    async def close(self) -> None:
        """Hear no more, and let no deadline come."""
        for listening in self._listening:
            listening.stop()
        self._fanout.close()
        self._boards.close()

    async def is_blocked(self, owner: Aor, other: Aor) -> bool:
        """Tell whether `owner` has blocked `other`."""
        if self._people.person(owner) is None:
            return False
        return audience(await self._boards.read(owner), other) == NOBODY
