"""The life of two-party sessions."""

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import EndpointGone
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.records import IRecords
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.forward import Forward
from lyncpy.workloads.im import model
from lyncpy.workloads.im.commands import Commands
from lyncpy.workloads.im.farewell import Farewell
from lyncpy.workloads.im.recorder import Recorder
from lyncpy.workloads.im.routes import Routes
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.settings import Settings


@implementer(IWorkload)
class Im:
    """Sessions between users, passed on and recorded."""

    name = "im"
    log = Logger()

    def __init__(
        self,
        records: IRecords,
        bus: IBus,
        locator: ILocator,
        people: IPeople,
        privacy: IPrivacy,
        outbound: IOutbound,
        forward: Forward,
        node: NodeName,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Build the rooms."""
        self._records = records
        self._bus = bus
        self._node = node
        self._timers = timers
        self._listening: IListening | None = None
        self._recorder = Recorder(records, timers, settings.record_counts_s)
        self._sessions = Sessions(
            self._recorder,
            timers,
            total=settings.sessions_total,
            per_user=settings.sessions_per_user,
            idle_s=settings.idle_s,
        )
        routes = Routes(forward, locator, people, privacy, self._sessions, self._recorder, node, settings, timers)
        self._farewell = Farewell(locator, outbound, self._sessions, routes.leave, timers)
        commands = Commands(self._sessions, records)
        self.offer = Offer(self.name, routes=routes.rows(), commands=commands.words())

    async def open(self) -> None:
        """Close the records that another start of this server left open, then listen."""
        count = await self._records.close_open_sessions(self._node, self._timers.wall())
        if count:
            self.log.info("{count} sessions were open when the server stopped; their records say so", count=count)
        self._listening = self._bus.listen(EndpointGone, self._farewell.endpoint_gone)

    async def close(self) -> None:
        """End what is under way, so that every record is whole."""
        if self._listening is not None:
            self._listening.stop()
        for session in self._sessions.all():
            self._sessions.end(model.ended(session, "server", "restart", self._timers.wall()))
        await self._recorder.drained()
