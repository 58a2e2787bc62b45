"""What is said goes to the archive before it is passed on, where policy demands it.

Policy is asked about the people of a conversation, once: whoever has a conversation keeps the
answer with it, and asks again when `edition` says that policies, or the directory, have changed.

Whatever waits for the archive must not be overtaken by what its speaker says next, whether
that is archived or not: hence each speaker has a line, and in a line one waits for the other.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.archive import IArchive, Said
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import PersonChanged, PoliciesChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Refused, WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.spawn import spawn
from lyncpy.sip.message import Request
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.model.session import ArchivePolicy, Session, Side

T = TypeVar("T")


class Archiving:
    """The way to the archive; without one nothing is kept and nothing waits.

    Attributes:
        edition: Of policies and the directory, another one after each change: an answer of policy that
            names an earlier one may not hold any more.
    """

    log = Logger()

    def __init__(self, archive: IArchive | None, people: IPeople, timers: ITimers) -> None:
        """Begin with nobody waiting.

        Args:
            archive: None: nothing is kept.
            people: Who belongs to the enterprise.
        """
        self._archive = archive
        self._people = people
        self._timers = timers
        self._lines = KeyedLock()
        self._busy: Counter[str] = Counter()
        self.edition = 0

    def __len__(self) -> int:
        """Give the number of lines in which somebody waits."""
        return len(self._busy)

    # --- policy

    async def policies_changed(self, fact: PoliciesChanged) -> None:
        """Have every conversation ask again before its next message."""
        self.edition += 1

    async def person_changed(self, fact: PersonChanged) -> None:
        """Have every conversation ask again: who has come or gone may have made it one with the outside, or ended that."""
        self.edition += 1

    def ask(self, people: Collection[Aor], *, guests: bool = False) -> ArchivePolicy:
        """Ask policy whether what these people say to each other is to be kept.

        Args:
            guests: Somebody takes part who has no address in the directory, whoever these are.
        """
        if self._archive is None:
            return ArchivePolicy(demands=False, edition=self.edition)
        external = guests or any(self._people.person(aor) is None for aor in people)
        return ArchivePolicy(demands=self._archive.wants(people, external), edition=self.edition)

    # --- what is said

    def said(self, session: Session, side: Side, request: Request) -> Said | None:
        """Give what an archive keeps of a MESSAGE, or of an INVITE with a text in it; None: nothing is said in it."""
        text = bodies.text_of(request)
        if text is None:
            return None
        return Said(
            at=self._timers.wall(),
            conversation=session.record.conversation_id or session.record.call_id,
            kind="message",
            sender=side.aor,
            recipients=(session.other(side).aor,),
            message_id=f"{request.from_.tag}-{request.cseq.number}",
            content_type=text[0],
            body=text[1],
        )

    async def passing(self, line: str, said: Said | None, send: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Keep what was said, then send it, both in the order in which things came in this line.

        Args:
            line: Names the speaker within the conversation.
            said: None when it need not be kept.
            send: Begins to send when it is called, and may then wait for an answer; the line goes on meanwhile.

        Raises:
            Refused: 503; it cannot be kept, and must not be sent. Or too much waits in this line.
        """
        if said is None and line not in self._busy:
            return await send()
        self._busy[line] += 1
        try:
            async with self._lines.hold("said", line):
                if said is not None and self._archive is not None:
                    await self._archive.archive(said)
                # Whoever waits goes on as soon as the line is let go; then this has to be under way. Else it begins
                # below, where nothing has come between.
                somebody_waits = self._busy[line] > 1
                sending: Awaitable[T] = Deferred.fromCoroutine(send()) if somebody_waits else send()
        finally:
            self._busy[line] -= 1
            if not self._busy[line]:
                del self._busy[line]
        try:
            return await sending
        except BaseException:
            self.undelivered(said)
            raise

    def undelivered(self, said: Said | None, whom: Sequence[Aor] | None = None) -> None:
        """Note who did not get what has been kept, all if nobody is named; nothing waits for that."""
        if said is None or self._archive is None:
            return
        recipients = said.recipients if whom is None else tuple(whom)
        note = replace(
            said, at=self._timers.wall(), kind="undelivered", recipients=recipients, content_type="", body=b""
        )
        spawn(self._keep(self._archive, note), self.log, "noting what was not delivered")

    async def _keep(self, archive: IArchive, note: Said) -> None:
        try:
            await archive.archive(note)
        except (Refused, WorldUnavailable) as error:
            self.log.error(
                "the archive lacks that message {message} of {conversation} was not delivered: {reason}",
                message=note.message_id,
                conversation=note.conversation,
                reason=str(error),
            )
