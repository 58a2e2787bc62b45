"""Joining and leaving of participants, for the archive, where policy demands it."""

from collections.abc import Collection

from twisted.logger import Logger

from lyncpy.contracts.archive import ConversationEvent, EntryKind, IArchive
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Refused, WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.spawn import spawn
from lyncpy.workloads.conferencing.model.attendees import Admitted, Arrived, Gone, Meeting, MeetingChange


class MeetingArchiver:
    """Archives that participants joined and left; messages are archived by the MCUs, before they are passed on."""

    log = Logger()

    def __init__(self, archive: IArchive, timers: ITimers) -> None:
        self._archive = archive
        self._timers = timers

    def meeting_changed(self, before: Meeting, after: Meeting, change: MeetingChange) -> None:
        """Archive a change that is a joining or a leaving; see `MeetingObserver`."""
        match change:
            case Admitted(user) | Arrived(user, first=True, waits=False):
                self._note(after, after, EntryKind.JOINED, user)
            # Whoever gave up waiting in the lobby was never in.
            case Gone(user, last=True) if not before.attendees[user].waits:
                self._note(before, after, EntryKind.LEFT, user)

    def _note(self, among: Meeting, after: Meeting, kind: EntryKind, user: Aor) -> None:
        people = [attendee.user for attendee in among.inside]
        external = any(not attendee.internal for attendee in among.inside)
        if self._archive.wants(people, external):
            others = tuple(attendee.user for attendee in after.inside if attendee.user != user)
            spawn(self._keep(after.conference.uri, kind, user, others), self.log, "noting who came and went")

    async def _keep(self, conference: str, kind: EntryKind, user: Aor, others: Collection[Aor]) -> None:
        said = ConversationEvent(self._timers.wall(), conference, kind, user, tuple(others), conference=True)
        try:
            await self._archive.archive(said)
        except (Refused, WorldUnavailable) as error:
            self.log.error(
                "the archive lacks that {aor} {kind} {conference}: {reason}",
                aor=user,
                kind=kind,
                conference=conference,
                reason=str(error),
            )
