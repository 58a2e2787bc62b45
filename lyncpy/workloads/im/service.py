"""The service of instant messages: sessions between two users, and the chats of conferences."""

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.archive import IArchive
from lyncpy.contracts.bus import IListening
from lyncpy.contracts.facts import AccessChanged, EndpointGone, FlowClosed, NodeLost, PersonChanged, PoliciesChanged
from lyncpy.contracts.numbers import INumbers
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.call_handling import CallHandling
from lyncpy.core.leavings import Leavings
from lyncpy.core.platform import Platform, Signaling
from lyncpy.workloads.im.announcer import Announcer
from lyncpy.workloads.im.announcing import AnnounceCommand
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.call_records import SessionRecorder
from lyncpy.workloads.im.chat_dialogs import ChatDialogs
from lyncpy.workloads.im.commands import Commands
from lyncpy.workloads.im.delivery import Delivery
from lyncpy.workloads.im.dialogs import Dialogs
from lyncpy.workloads.im.invitations import Invitations, members_in
from lyncpy.workloads.im.mcu import Mcu
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import EndedBy, EndReason
from lyncpy.workloads.im.open_messages import OpenMessages
from lyncpy.workloads.im.parties import Parties
from lyncpy.workloads.im.routes import Routes
from lyncpy.workloads.im.session_homes import LostHomes, SessionDeposits, SessionSuccessor
from lyncpy.workloads.im.session_limits import SessionLimits
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.settings import Settings
from lyncpy.workloads.im.termination import SessionTermination


@implementer(IWorkload)
class Im:
    """Passes on and records sessions between users, and runs the IM MCU.

    Attributes:
        sessions: Those between two users.
        mcu: The chats of conferences.
        chat: Attaches SIP clients to it; assembly passes it to the focus.
    """

    name = "im"
    log = Logger()

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        privacy: IPrivacy,
        archive: IArchive,
        numbers: INumbers,
        calls: CallHandling,
        settings: Settings,
    ) -> None:
        """Build the parts, and connect them.

        Args:
            privacy: Tells whether a user has blocked another.
            archive: Archives messages.
            numbers: Finds the person behind a telephone number.
            calls: Has calls ring by the rules of who is called.
        """
        locator, people, timers = platform.locator, platform.people, platform.timers
        outbound, forward = signaling.outbound, signaling.forward
        self._records, self._locator, self._timers = platform.records, locator, timers
        self._bus = platform.bus
        self._leavings = Leavings(
            platform.nodes, timers, self._close_left_open, "closing the call records of lost servers"
        )
        self._listening: list[IListening] = []
        self._recorder = SessionRecorder(
            platform.recording,
            settings.record_counts_s,
            timers.now,
            per_hour=settings.records_per_user,
            gather_s=settings.refused_gather_s,
        )
        limits = SessionLimits(settings)
        self.sessions = Sessions(
            self._recorder,
            SessionDeposits(platform, signaling.deposits),
            platform.bus,
            timers,
            limits=limits,
            total=settings.sessions_total,
            counts_s=settings.record_counts_s,
        )
        parties = Parties(platform, privacy, numbers, idle_s=settings.idle_s)
        self._archiving = Archiving(archive, people, timers)
        delivery = Delivery(forward, parties, calls, self._archiving, self.sessions, self._recorder, settings, timers)
        members_of = members_in(platform.groups, settings.group_members)
        self._invitations = Invitations(forward, delivery, outbound, members_of, limits, settings.group_members, timers)
        dialogs = Dialogs(locator, parties, self.sessions)
        lost_homes = LostHomes(platform.node, signaling.relay)
        routes = Routes(forward, delivery, dialogs, self._invitations, self.sessions, lost_homes, settings, timers)
        self.mcu = Mcu(self._archiving, settings, timers, OpenMessages(signaling.deposits, platform.nodes))
        self.chat = ChatDialogs(self.mcu, outbound, settings)
        self._termination = SessionTermination(locator, privacy, outbound, forward, self.sessions, routes, timers)
        self._successor = SessionSuccessor(platform, signaling.deposits, self.sessions, self._termination)
        commands = Commands(self.sessions, platform.records, platform.owners, self._termination.operator_ends)
        announcer = Announcer(outbound, timers, settings)
        announce = AnnounceCommand(announcer, locator, people, platform.groups, settings.announced_per_s)
        words = (*commands.words(), *announce.commands())
        self.offer = Offer(self.name, routes=(*routes.rows(), *self.chat.rows()), commands=words)
        meter = platform.meter
        meter.gauge("lyncpy_im_sessions_count", "Sessions between two users.", self.sessions.__len__)
        meter.gauge("lyncpy_im_invitations_count", "Invitations under way or just over.", self._invitations.__len__)
        meter.gauge("lyncpy_im_announced_count", "Devices that an announcement is on its way to.", announcer.__len__)
        meter.gauge("lyncpy_im_participants_count", "Participants of chats.", self.mcu.__len__)
        meter.gauge(
            "lyncpy_im_archiving_count", "Pairs of users for whom the archive is awaited.", self._archiving.__len__
        )

    async def open(self) -> None:
        """Listen for facts, and close the records that dead nodes left open."""
        self._leavings.open()
        self._listening = [
            self._bus.listen(NodeLost, self._leavings.node_lost),
            self._bus.listen(NodeLost, self._successor.node_lost),
            self._bus.listen(
                EndpointGone, self._termination.endpoint_gone, self.sessions.people, self._locator.known_of
            ),
            self._bus.listen(AccessChanged, self._termination.access_changed),
            self._bus.listen(EndpointGone, self.chat.endpoint_gone, self.chat.people),
            self._bus.listen(FlowClosed, self.chat.flow_closed),
            self._bus.listen(PoliciesChanged, self._archiving.policies_changed),
            self._bus.listen(PersonChanged, self._archiving.person_changed),
        ]
        # Last: a node that is lost before it is listened for has left what is found here, one that is lost later is heard of.
        await self._close_left_open()

    async def _close_left_open(self) -> None:
        count = await self._records.close_open_sessions(self._timers.wall())
        if count:
            self.log.info("{count} sessions were open when their server stopped; their records say so", count=count)

    async def close(self) -> None:
        """End all sessions and chats, so that every record is complete."""
        for listening in self._listening:
            listening.stop()
        self._leavings.close()
        self.mcu.stop()
        await self._termination.server_ends()
        for session in self.sessions.all_sessions():
            self.sessions.end_session(rules.ended(session, EndedBy.SERVER, EndReason.RESTART, self._timers.wall()))
