"""Messages are archived before they are passed on, where policy demands it.

Policy is asked about the people of a conversation, once: the session or chat keeps the answer, and
asks again when `edition` says that policies, or the directory, have changed.

A message that waits for the archive must not be overtaken by the next of its sender, whether
that is archived or not. Those that are archived wait there together, and are answered in order; each knows the one before
it, and waits for that where it would come first: it is not archived, or the one before could not be.
"""

from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from twisted.logger import Logger

from lyncpy.contracts.archive import ConversationEvent, EntryKind, IArchive
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import PersonChanged, PoliciesChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Refused, WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.spawn import spawn
from lyncpy.core.tasks import Future
from lyncpy.sip.message import Request
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.model.session import ArchivePolicy, Session, Side

T = TypeVar("T")


class _Turn:
    """The turn of one message among those of its sender."""

    is_over = False
    """Whether it is on its way, or will not be."""

    then: Callable[[], None] | None = None
    """What goes on then."""

    def end(self) -> Future[None]:
        """Give what comes when it is over; one message waits for it, the next."""
        ended: Future[None] = Future()
        self.then = partial(ended.set_result, None)
        return ended


class Archiving:
    """The way to the archive.

    Attributes:
        edition: The number of changes of policies and the directory: an answer of policy with an earlier
            number may not hold any more.
    """

    log = Logger()

    def __init__(self, archive: IArchive, people: IPeople, timers: ITimers) -> None:
        """Begin with nothing that waits.

        Args:
            people: The people who belong to the enterprise.
        """
        self._archive = archive
        self._people = people
        self._timers = timers
        self._last: dict[str, _Turn] = {}
        """Of each sender with a message that waits, the turn of the last one."""

        self.edition = 0

    def __len__(self) -> int:
        """Return the number of queues in which a message waits."""
        return len(self._last)

    # --- policy

    def policies_changed(self, fact: PoliciesChanged) -> None:
        """Have every conversation ask again before its next message."""
        self.edition += 1

    def person_changed(self, fact: PersonChanged) -> None:
        """Have every conversation ask again: somebody in it may have become an outsider, or an account of this enterprise."""
        self.edition += 1

    def ask(self, people: Collection[Aor], *, guests: bool = False) -> ArchivePolicy:
        """Ask policy whether messages between these people are to be archived.

        Args:
            guests: Whether somebody takes part who has no account, besides `people`.
        """
        external = guests or any(self._people.person(aor) is None for aor in people)
        return ArchivePolicy(demands=self._archive.wants(people, external), edition=self.edition)

    # --- what is said

    def entry_for(self, session: Session, side: Side, request: Request) -> ConversationEvent | None:
        """Return the archive's entry for a MESSAGE, or for an INVITE with a text in it; None: there is no text."""
        text = bodies.text_of(request)
        if text is None:
            return None
        return ConversationEvent(
            at=self._timers.wall(),
            conversation=session.record.conversation_id or session.record.call_id,
            kind=EntryKind.MESSAGE,
            sender=side.aor,
            recipients=(session.other(side).aor,),
            message_id=f"{request.from_.tag}-{request.cseq.number}",
            content_type=text[0],
            body=text[1],
        )

    def archive_and_send(
        self, queue: str, said: ConversationEvent | None, send: Callable[[], Coroutine[Any, Any, T]]
    ) -> Coroutine[Any, Any, T]:
        """Archive a message, then send it, both in the order in which messages came in this queue.

        Args:
            queue: Names the sender within the conversation.
            said: None when it need not be archived.
            send: Begins to send when it is called, and may then wait for an answer; the queue goes on meanwhile.

        Raises:
            Refused: 503; it cannot be archived, and must not be sent.
        """
        # The usual way: nothing to archive and nothing to wait for.
        if said is None and queue not in self._last:
            return send()
        return self._archive_and_send(queue, said, send)

    async def _archive_and_send(
        self, queue: str, said: ConversationEvent | None, send: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        before = self._last.get(queue)
        turn = self._last[queue] = _Turn()
        try:
            try:
                if said is not None:
                    # It shares a commit with those of its sender that wait there, and the archive answers in order.
                    await self._archive.archive(said)
                if before is not None and not before.is_over:
                    await before.end()
            except (Refused, WorldUnavailable):
                said = None  # it is not in the archive
                raise
            finally:
                if before is None or before.is_over:
                    self._over(queue, turn)
                else:
                    self._give_up(queue, turn, before)
            # Whoever comes next goes on in a turn of the reactor, or of the archive, after this: by then it is under way.
            return await send()
        except BaseException:
            # It is in the archive, or comes there although nobody waits for that any more, and must not look as if it had been
            # sent.
            self.undelivered(said)
            raise

    def _give_up(self, queue: str, turn: _Turn, before: _Turn) -> None:
        """Let the next message of a queue go on when those before this one have."""
        if self._last[queue] is turn:
            self._last[queue] = before
        else:
            before.then = partial(self._over, queue, turn)

    def _over(self, queue: str, turn: _Turn) -> None:
        turn.is_over = True
        if self._last.get(queue) is turn:
            del self._last[queue]
        if turn.then is not None:
            # In a later turn of the reactor: hundreds may wait, each of them for the one before.
            self._timers.later(0.0, turn.then)

    def undelivered(self, said: ConversationEvent | None, whom: Sequence[Aor] | None = None) -> None:
        """Archive who did not get an archived message, all recipients if `whom` is None; nothing waits for that."""
        if said is None:
            return
        note = said.undelivered(self._timers.wall(), whom)
        spawn(self._keep(note), self.log, "noting what was not delivered")

    async def _keep(self, note: ConversationEvent) -> None:
        try:
            await self._archive.archive(note)
        except (Refused, WorldUnavailable) as error:
            self.log.error(
                "the archive lacks that message {message} of {conversation} was not delivered: {reason}",
                message=note.message_id,
                conversation=note.conversation,
                reason=str(error),
            )
