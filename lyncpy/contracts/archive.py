"""Keeping what was said, where policy demands it."""

import enum
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from zope.interface import Interface

from lyncpy.contracts.names import Aor


class EntryKind(enum.StrEnum):
    """What an entry of the archive is about."""

    MESSAGE = "message"
    JOINED = "joined"
    LEFT = "left"
    UNDELIVERED = "undelivered"
    """That a message, which it names, did not reach somebody."""

    LOST = "lost"
    """The archive's own: messages passed on unrecorded before it, because it could not be written."""

    RESUMED = "resumed"
    """The archive's own: an operator let a chain go on whose end did not fit its stamp."""


class ConversationEvent(NamedTuple):
    """One event of a conversation: a message, a joining, a leaving or a failure."""

    at: float
    """Seconds since the epoch, UTC."""

    conversation: str
    """The focus URI of a conference; else Ms-Conversation-ID, or the Call-ID where there is none."""

    kind: EntryKind
    sender: Aor
    recipients: tuple[Aor, ...]
    conference: bool = False
    content_type: str = ""
    """As it came, with parameters."""

    message_id: str = ""
    """Names a message within its conversation; an "undelivered" names the message that it is about."""

    body: bytes = b""

    def undelivered(self, at: float, recipients: Sequence[Aor] | None = None) -> "ConversationEvent":
        """Give the event that this message was not delivered to these people, to none of its recipients if it is None."""
        whom = self.recipients if recipients is None else tuple(recipients)
        return self._replace(at=at, kind=EntryKind.UNDELIVERED, recipients=whom, content_type="", body=b"")


class IArchive(Interface):
    """Append-only; what `archive` has answered is durable."""

    def wants(people: Collection[Aor], external: bool) -> bool:
        """Tell whether one of these people has a policy that demands archiving; cheap, no waiting.

        `external`: somebody outside the enterprise, or a guest, takes part.
        """

    def archive(said: ConversationEvent) -> Awaitable[None]:
        """Write an entry before the message is passed on.

        Raises:
            Refused: 503 with a reason, in critical mode, when it cannot be written: then the
                message must not be passed on. Out of critical mode a failure is counted and logged.
        """


class LedgerLine(NamedTuple):
    """One entry of the archive, as it is stored: a row, its columns in order.

    `digest` is what makes a chain of entries: SHA-256 of `head`, a line feed and `body`; the
    head names the digest of the entry before. The other fields only find it.
    """

    serial: int
    """From 1, without a gap."""

    at: float
    """Seconds since the epoch, UTC; whole microseconds."""

    kind: str
    conversation: str
    """The conversation's name, as the index has it."""

    head: str
    """One line of ASCII."""

    body: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class ChainPosition:
    """A place in the chain: behind this entry."""

    serial: int
    """0: before the first."""

    digest: bytes
    """Of that entry; of 0, a random name of this chain."""

    stamp: bytes
    """What only who has the server's key can make of the two."""


@dataclass(frozen=True, slots=True)
class ChainEnds:
    """The chain as a whole, at one moment."""

    start: ChainPosition
    """Behind what was purged."""

    end: ChainPosition
    """Behind the last entry."""

    last: int
    """The highest serial that is really there; 0 when there is none."""


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are looked for; "" is any."""

    people: tuple[str, ...] = ()
    """Index names of whom one takes part in the conversation; not each entry of it need be theirs. Empty: anybody."""

    conversation: str = ""
    since: float = 0.0
    until: float = float(2**40)
    """Exclusive."""

    after: int = 0
    before: int = 2**62
    """Serials, both exclusive."""


Place: TypeAlias = tuple[str, str]
"""A row of the index: a person's and a conversation's index name."""


class Addition(NamedTuple):
    """What is added behind the end of the chain."""

    lines: Sequence[LedgerLine]
    end: ChainPosition
    """Where the chain ends then."""


class ILedger(Interface):
    """Where the archive's lines are. It checks nothing but who was first. May raise StoreUnavailable.

    Index names are text of at most 400 characters that every database can hold.
    """

    def ends() -> Awaitable[ChainEnds | None]:
        """Give the two ends; None before `begin_chain`."""

    def begin_chain(start: ChainPosition, end: ChainPosition) -> Awaitable[None]:
        """Begin an empty chain with these ends. Raises Conflict when one has begun."""

    def append(
        lines: Sequence[LedgerLine], places: Collection[Place], end: ChainPosition, expected: ChainPosition
    ) -> Awaitable[None]:
        """Add lines and their places in the index, and move the end; all or nothing, durable when it returns.

        Raises:
            Conflict: The end is not the one that was expected, or a line of this serial is there.
        """

    def append_behind(
        build: Callable[[ChainPosition], Addition | None], places: Collection[Place]
    ) -> Awaitable[ChainPosition]:
        """Add lines behind the end, wherever that is, and their places in the index; give the new end; durable as of `append`.

        Others who add wait meanwhile, so that this comes to its end however many they are.

        Args:
            build: Gives the lines behind the end that it is called with, which nobody else moves; None: nothing is to be written.
                It may be called in another thread, and again with another end when nothing came of it.
            places: Of the lines.

        Raises:
            Conflict: Nothing was to be written, or a line is there behind the end.
        """

    def read_after(after: int, limit: int) -> Awaitable[Sequence[LedgerLine]]:
        """Give the first lines behind this serial, in order."""

    def search(wanted: EntryFilter, limit: int, *, newest: bool = False) -> Awaitable[Sequence[LedgerLine]]:
        """Give the first lines that are wanted, in order; with `newest` the last ones, the last first."""

    def conversations(people: Collection[str], after: str, limit: int) -> Awaitable[Sequence[str]]:
        """Give the index names behind this one of conversations that one of these people took part in, each once, in order."""

    def misplaced(places: Collection[Place]) -> Awaitable[Collection[Place]]:
        """Give the places of these that the index lacks."""

    def remove_until(start: ChainPosition, expected: ChainPosition) -> Awaitable[None]:
        """Remove lines up to this mark, and the places of conversations that have none left, and move the start.

        Raises:
            Conflict: The start is not the one that was expected.
        """


class IStamps(Interface):
    """Makes stamps with the server's key, which nobody else can make."""

    def stamp(text: bytes) -> bytes:
        """Give a code of 32 bytes that nobody without the key can make; always the same for the same text."""

    def key_named() -> str:
        """Give the words that tell an operator which key it is: its file and the setting."""


GAP_BYTES: Final = 1024
"""The most that a gap file holds."""


class IGapFile(Interface):
    """A few bytes beside the archive that can be written when the archive cannot; see `workloads/archive/gaps.py`."""

    def read() -> Awaitable[bytes]:
        """Give what was written last, whole; b"" when nothing was. Raises OSError."""

    def write(content: bytes) -> Awaitable[None]:
        """Replace the content by at most GAP_BYTES; durable when this returns. Raises OSError; then it is as it was."""


class IExports(Interface):
    """A folder for what leaves the archive."""

    def make_folder(name: str) -> Awaitable[str]:
        """Make a new, empty folder of this name; give where it is, for people.

        Raises:
            ValueError: The name is none that a folder may have here, or is taken.
            OSError: The disk says no.
        """

    def write_file(name: str, file: str, content: bytes) -> Awaitable[None]:
        """Write a file in the folder, or add to it; only its owner can read it. Raises as `make_folder`."""
