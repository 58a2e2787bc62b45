"""Conversations → files that mail programs and other programs read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from lyncpy.contracts.archive import IExports
from lyncpy.workloads.archive.bodies import ArchivedText, Mail, json_line
from lyncpy.workloads.archive.reader import ArchiveQuery, ArchiveReader

MAIL_ENTRIES: Final = 2000
"""Entries of one mail at most: a year of a long conversation becomes several that can be opened."""

MAIL_BYTES: Final = 16_777_216
"""Bytes of one mail at about; a mail server takes no more."""

CHUNK_BYTES: Final = 1_048_576
"""Written at once."""

FORMATS: Final = ("eml", "json")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    folder: str
    files: int
    conversations: int
    entries: int


class Exporter:
    """Writes a person's conversations, or one conversation, into a new folder."""

    def __init__(self, reader: ArchiveReader, exports: IExports) -> None:
        self._reader = reader
        self._exports = exports

    async def export(
        self, terms: ArchiveQuery, form: str, name: str, said: Callable[[str], None] = lambda _: None
    ) -> Exported:
        """Write all entries of a query.

        Args:
            terms: Which.
            form: One of FORMATS.
            name: Of the new folder.
            said: Is told how far it is.

        Raises:
            ValueError: The folder's name cannot be used.
            OSError: The disk says no.
            StoreUnavailable: The archive cannot be read.
        """
        folder = await self._exports.make_folder(name)
        out = _Json(self._exports, name) if form == "json" else _Mails(self._exports, name)
        conversations = 0
        if terms.conversation:
            conversations = await self._conversation(terms, out)
        else:
            async for conversation in self._reader.conversations(terms.names):
                conversations += await self._conversation(replace(terms, conversation=conversation), out)
                said(f"{out.entries} entries of {conversations} conversations are written")
        await out.end()
        return Exported(folder, out.files, conversations, out.entries)

    async def _conversation(self, terms: ArchiveQuery, out: "_Json | _Mails") -> int:
        """Write a conversation; give 1 if anything of it was wanted."""
        before = out.entries
        async for kept in self._reader.entries(terms):
            await out.add(kept)
        await out.end_conversation()
        return int(out.entries > before)


class _Json:
    """One file of JSON lines."""

    FILE: Final = "archive.jsonl"

    def __init__(self, exports: IExports, name: str) -> None:
        self._exports = exports
        self._name = name
        self._buffer = bytearray()
        self.files = self.entries = 0

    async def add(self, kept: ArchivedText) -> None:
        self._buffer += json_line(kept)
        self.entries += 1
        if len(self._buffer) >= CHUNK_BYTES:
            await self._flush()

    async def end_conversation(self) -> None:
        """Do nothing: conversations follow one another in the file."""

    async def end(self) -> None:
        await self._flush()
        self.files = 1

    async def _flush(self) -> None:
        content, self._buffer = bytes(self._buffer), bytearray()
        await self._exports.write_file(self._name, self.FILE, content)


class _Mails:
    """One mail a conversation; several for a very long one."""

    def __init__(self, exports: IExports, name: str) -> None:
        self._exports = exports
        self._name = name
        self._mail = Mail()
        self.files = self.entries = 0

    async def add(self, kept: ArchivedText) -> None:
        self._mail.add(kept)
        self.entries += 1
        if len(self._mail) >= MAIL_ENTRIES or self._mail.size >= MAIL_BYTES:
            await self.end_conversation()

    async def end_conversation(self) -> None:
        mail, self._mail = self._mail, Mail()
        if len(mail):
            self.files += 1
            # By its first entry: unique, and in the order of time.
            file = f"{mail.serial:010d}.eml"
            for piece in mail.pieces():
                # Each is written by another thread, so that others have their turn in between.
                await self._exports.write_file(self._name, file, piece)

    async def end(self) -> None:
        """Write each mail when its conversation ends."""
