"""The life of instant messages: of sessions between two, and of the chats of conferences."""

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.archive import IArchive
from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import EndpointGone, FlowClosed, PersonChanged, PoliciesChanged
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.records import IRecording, IRecords
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.forward import Forward
from lyncpy.workloads.im import model
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.commands import Commands
from lyncpy.workloads.im.delivery import Delivery
from lyncpy.workloads.im.dialogs import Dialogs
from lyncpy.workloads.im.farewell import Farewell
from lyncpy.workloads.im.invitations import Invitations, MembersOf, nobody
from lyncpy.workloads.im.mcu import Mcu
from lyncpy.workloads.im.parties import Parties
from lyncpy.workloads.im.recorder import Recorder
from lyncpy.workloads.im.routes import Routes
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.settings import Settings


@implementer(IWorkload)
class Im:
    """Sessions between users, passed on and recorded, and the IM MCU.

    Attributes:
        mcu: The chats of conferences; assembly gives it to the focus, and the focus to it.
    """

    name = "im"
    log = Logger()

    def __init__(
        self,
        records: IRecords,
        recording: IRecording,
        bus: IBus,
        locator: ILocator,
        people: IPeople,
        privacy: IPrivacy,
        outbound: IOutbound,
        forward: Forward,
        node: NodeName,
        settings: Settings,
        timers: ITimers,
        *,
        archive: IArchive | None = None,
        members_of: MembersOf = nobody,
    ) -> None:
        """Build the rooms.

        Args:
            recording: Has what happens written; it is open longer than this.
            archive: Where what is said is kept, if anywhere.
            members_of: The members of a directory group; empty for what is none.
        """
        self._records = records
        self._bus = bus
        self._node = node
        self._timers = timers
        self._listening: list[IListening] = []
        self._recorder = Recorder(
            recording,
            settings.record_counts_s,
            timers.now,
            per_hour=settings.records_per_user,
            gather_s=settings.refused_gather_s,
        )
        self._sessions = Sessions(
            self._recorder,
            timers,
            total=settings.sessions_total,
            per_user=settings.sessions_per_user,
            idle_s=settings.idle_s,
        )
        parties = Parties(locator, people, privacy, node, timers)
        self._archiving = Archiving(archive, people, timers)
        delivery = Delivery(forward, parties, self._archiving, self._sessions, self._recorder, settings, timers)
        self._invitations = Invitations(forward, delivery, outbound, members_of, settings, timers)
        dialogs = Dialogs(locator, parties, self._sessions)
        routes = Routes(forward, delivery, dialogs, self._invitations, self._sessions, settings, timers)
        self.mcu = Mcu(outbound, self._archiving, settings, timers)
        self._farewell = Farewell(locator, outbound, self._sessions, routes.leave, timers)
        commands = Commands(self._sessions, records)
        self.offer = Offer(self.name, routes=(*routes.rows(), *self.mcu.rows()), commands=commands.words())

    async def open(self) -> None:
        """Close the records that another start of this server left open, then listen."""
        count = await self._records.close_open_sessions(self._node, self._timers.wall())
        if count:
            self.log.info("{count} sessions were open when the server stopped; their records say so", count=count)
        self._listening = [
            self._bus.listen(EndpointGone, self._farewell.endpoint_gone),
            self._bus.listen(EndpointGone, self.mcu.endpoint_gone),
            self._bus.listen(FlowClosed, self.mcu.flow_closed),
            self._bus.listen(PoliciesChanged, self._archiving.policies_changed),
            self._bus.listen(PersonChanged, self._archiving.person_changed),
        ]

    async def close(self) -> None:
        """End what is under way, so that every record is whole."""
        for listening in self._listening:
            listening.stop()
        self.mcu.stop()
        await self._farewell.server_ends()
        for session in self._sessions.all():
            self._sessions.end(model.ended(session, "server", "restart", self._timers.wall()))
