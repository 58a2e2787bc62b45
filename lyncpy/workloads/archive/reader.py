"""Searching: by person, time, conversation and text, a slice at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lyncpy.contracts.archive import ConversationEvent, EntryFilter, ILedger, LedgerLine
from lyncpy.contracts.owners import Span
from lyncpy.workloads.archive.bodies import ArchivedText, kept_of, plain_text
from lyncpy.workloads.archive.model import name_of, takes_part

SLICE: Final = 200
"""Lines that are in memory at once."""

SCANNED: Final = 100_000
"""Lines that a search looks at: bounds how long an operator's slip keeps the database busy."""


@dataclass(frozen=True, slots=True)
class ArchiveQuery:
    """A query: person, conversation and times; empty is any. Names are compared as the index has them."""

    person: Sequence[Span] = ()
    """Under which addresses somebody is found, and from when until when under each."""

    other: Sequence[Span] = ()
    """Of who takes part too."""

    conversation: str = ""
    since: float = 0.0
    until: float = EntryFilter().until
    text: str = ""
    """Part of what a person reads, in any case."""

    def fit(self, said: ConversationEvent) -> bool:
        """Tell whether an entry is meant."""
        return (
            (not self.person or takes_part(said, self.person))
            and (not self.other or takes_part(said, self.other))
            and (not self.text or self.text.casefold() in plain_text(said).casefold())
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Give the index names of the person."""
        return tuple(dict.fromkeys(name_of(span.aor) for span in self.person))

    @property
    def wanted(self) -> EntryFilter:
        """What the ledger is asked for."""
        return EntryFilter(self.names, self.conversation, self.since, self.until)


@dataclass(frozen=True, slots=True)
class ArchiveMatches:
    """What a search gave."""

    entries: tuple[ArchivedText, ...]
    """The newest, oldest first."""

    all_seen: bool
    """False: older entries were not looked at any more."""


ENTRY_BYTES: Final = 200
"""What it costs to read an entry, beside its text, as if it were so many bytes of that."""

SLICE_BYTES: Final = 16_384
"""Texts read in one turn of the reactor: a millisecond for most, ten for the most contrived HTML."""


class ArchiveReader:
    """Reads entries; it does not verify them.

    Args:
        ledger: The lines.
        rest: Lets others run; called with the number of bytes that were read.
    """

    def __init__(self, ledger: ILedger, rest: Callable[[int], Awaitable[None]]) -> None:
        self._ledger = ledger
        self._rest = rest

    async def _fitting(self, line: LedgerLine, terms: ArchiveQuery) -> ArchivedText | None:
        """Parse a line; None if its entry does not fit the query, or is spoiled."""
        await self._rest(ENTRY_BYTES + len(line.head) + len(line.body))
        kept = kept_of(line)
        return kept if kept is not None and terms.fit(kept.said) else None

    async def newest(self, terms: ArchiveQuery, limit: int) -> ArchiveMatches:
        """Give the newest entries that fit."""
        wanted, found, scanned = terms.wanted, list[ArchivedText](), 0
        while scanned < SCANNED:
            lines = await self._ledger.search(wanted, SLICE, newest=True)
            for line in lines:
                kept = await self._fitting(line, terms)
                if kept is not None:
                    found.append(kept)
                    if len(found) == limit:
                        return ArchiveMatches(tuple(reversed(found)), all_seen=False)
            if len(lines) < SLICE:
                return ArchiveMatches(tuple(reversed(found)), all_seen=True)
            scanned += len(lines)
            wanted = replace(wanted, before=lines[-1].serial)
        return ArchiveMatches(tuple(reversed(found)), all_seen=False)

    async def is_conversation(self, name: str) -> bool:
        """Tell whether there are entries of a conversation of this name."""
        return bool(await self._ledger.search(EntryFilter(conversation=name_of(name)), 1))

    async def conversations(self, people: Sequence[str]) -> AsyncIterator[str]:
        """Give the conversations of a person with these index names, by name."""
        after = ""
        while True:
            names = await self._ledger.conversations(people, after, SLICE)
            for name in names:
                yield name
            if len(names) < SLICE:
                return
            after = names[-1]

    async def entries(self, terms: ArchiveQuery) -> AsyncIterator[ArchivedText]:
        """Give all entries that fit, oldest first."""
        wanted = terms.wanted
        while True:
            lines = await self._ledger.search(wanted, SLICE)
            for line in lines:
                kept = await self._fitting(line, terms)
                if kept is not None:
                    yield kept
            if len(lines) < SLICE:
                return
            wanted = replace(wanted, after=lines[-1].serial)
