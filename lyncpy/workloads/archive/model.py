"""The chain of entries: how they are written, linked, sealed and found out. Pure.

The form is a promise to whoever verifies an archive without this program; docs/archive.md
says the same in words.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final, NamedTuple, TypeAlias

from lyncpy.contracts.archive import ChainEnds, ConversationEvent, EntryKind, LedgerLine, Place
from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.contracts.names import Aor, kept_aor
from lyncpy.contracts.owners import Span

FORM: Final = 1
"""The version of the form of a head."""

DIGEST_BYTES: Final = 32
TEXTS_BYTES: Final = 16_777_216
"""Of the texts that heads share, kept for some 10,000 who speak."""

KEPT_CHARS: Final = 1_024
"""Of a conversation's name and a content type, which a sender chooses: longer ones are quoted anew each time, so that nobody
drives out others' with a few."""

NAME_CHARS: Final = 400
"""Of an index name: a hostile Call-ID must not fill the index."""


class ChainBroken(Exception):
    """The chain is broken; names the first entry that shows it, and its fault."""

    def __init__(self, serial: int, wrong: str) -> None:
        super().__init__(f"entry {serial}: {wrong}")
        self.serial = serial
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class ChainPoint:
    """A place in the chain, as people note it: SERIAL:DIGEST."""

    serial: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.serial}:{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class ArchivedEntry:
    """What a head says, and the body."""

    serial: int
    previous: bytes
    said: ConversationEvent


def point_of(text: str) -> ChainPoint:
    """Parse a point of the form SERIAL:DIGEST.

    Raises:
        ValueError: It is not that.
    """
    serial, _, digest = text.partition(":")
    if not (serial.isascii() and serial.isdecimal() and len(serial) < 19 and len(digest) == 2 * DIGEST_BYTES):
        raise ValueError(text)
    return ChainPoint(int(serial), bytes.fromhex(digest))


class HeadTexts(NamedTuple):
    """What the heads of all that somebody says in a conversation share, in JSON, and the conversation's index name."""

    front: str
    """From the kind to the name of the message."""

    back: str
    name: str


HeadKey: TypeAlias = tuple[str, EntryKind, Aor, tuple[Aor, ...], bool, str]
"""Conversation, kind, sender, recipients, whether it is a conference, content type: an event but for its moment, name and body."""


def _shared(key: HeadKey) -> HeadTexts:
    """Write what a head shares; ASCII alone: lone surrogates, which bytes that are no UTF-8 became, are kept as escapes."""
    conversation, kind, sender, recipients, conference, content_type = key
    return HeadTexts(
        f'"kind":"{kind}","conversation":{_quoted(conversation)},"conference":{"true" if conference else "false"},'
        f'"sender":{_quoted(sender)},"recipients":[{",".join(map(_quoted, recipients))}],"message_id":',
        f',"content_type":{_quoted(content_type)}}}',
        name_of(conversation),
    )


HEAD_TEXTS: Final = Remembered(_shared, TEXTS_BYTES)
"""What heads share, as it was written last: an encoder of JSON takes longer than all the rest of an entry."""


def chain(after: ChainPoint, group: Iterable[ConversationEvent]) -> Sequence[LedgerLine]:
    """Write down what was said, in order, as the entries behind a point."""
    serial, previous = after.serial, after.digest.hex()
    lines: list[LedgerLine] = []
    now, moment = -1, ""
    for said in group:
        serial += 1
        at, conversation, kind, sender, recipients, conference, content_type, message_id, body = said
        micros = round(at * 1_000_000)
        seconds, rest = divmod(micros, 1_000_000)
        if seconds != now:
            now, moment = seconds, datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
        key = conversation, kind, sender, recipients, conference, content_type
        is_kept = len(conversation) + len(content_type) <= KEPT_CHARS
        front, back, name = HEAD_TEXTS[key] if is_kept else _shared(key)
        head = (
            f'{{"form":{FORM},"serial":{serial},"previous":"{previous}","at":"{moment}.{rest:06d}Z",'
            f"{front}{_quoted(message_id)}{back}"
        )
        digest = digest_of(head, body)
        previous = digest.hex()
        lines.append(LedgerLine(serial, micros / 1_000_000, kind, name, head, body, digest))
    return lines


def link(after: ChainPoint, said: ConversationEvent) -> LedgerLine:
    """Write down what was said as the entry behind a point."""
    return chain(after, [said])[0]


def digest_of(head: str, body: bytes) -> bytes:
    """Compute the digest of an entry, which the next one names."""
    return sha256(b"%b\n%b" % (head.encode("ascii", "replace"), body)).digest()


def read(line: LedgerLine) -> ArchivedEntry:
    """Parse an entry of the ledger.

    Raises:
        Broken: Its head is none.
    """
    try:
        head = json.loads(line.head)
        texts = [
            head[name] for name in ("at", "kind", "conversation", "sender", "message_id", "content_type", "previous")
        ]
        recipients = head["recipients"]
        if not all(isinstance(text, str) for text in (*texts, *recipients)):
            raise TypeError  # as a missing field: whoever wrote this knew only half of the form
        at, kind, conversation, sender, message_id, content_type, previous = texts
        said = ConversationEvent(
            at=datetime.fromisoformat(at).timestamp(),
            conversation=conversation,
            kind=EntryKind(kind),
            sender=kept_aor(sender),
            recipients=tuple(map(kept_aor, recipients)),
            message_id=message_id,
            content_type=content_type,
            body=line.body,
            conference=bool(head["conference"]),
        )
        return ArchivedEntry(head["serial"], bytes.fromhex(previous), said)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise ChainBroken(line.serial, "its head cannot be read") from None


def follow(after: ChainPoint, line: LedgerLine) -> ArchivedEntry:
    """Check that a line is the entry behind a point, unchanged; give it.

    Raises:
        Broken: It is not; says what is wrong.
    """
    due = after.serial + 1
    if line.serial != due:
        raise ChainBroken(due, f"is missing; the next one that is there is {line.serial}")
    if digest_of(line.head, line.body) != line.digest:
        raise ChainBroken(due, "was changed: its digest does not fit its text")
    entry = read(line)
    if entry.serial != due:
        raise ChainBroken(due, f"is another: it calls itself {entry.serial}")
    if entry.previous != after.digest:
        raise ChainBroken(due, "does not follow the one before it: that one, or this one, was replaced")
    said = entry.said
    if (line.kind, line.conversation) != (said.kind, name_of(said.conversation)) or abs(line.at - said.at) > 1e-6:
        raise ChainBroken(due, "was changed: the columns that find it say something else than its text")
    return entry


def places(said: ConversationEvent, known: Collection[str] = frozenset()) -> frozenset[Place]:
    """Give the rows of the index that lead to this entry, but for people who are known to have theirs."""
    people = {said.sender, *said.recipients}.difference(known)
    people.discard(Aor(""))
    conversation = name_of(said.conversation) if people else ""
    return frozenset((name_of(person), conversation) for person in people)


def takes_part(said: ConversationEvent, spans: Sequence[Span]) -> bool:
    """Tell whether a person is sender or recipient of an entry, by an address that was theirs at the time."""
    theirs = {name_of(span.aor) for span in spans if span.since <= said.at < span.until}
    return bool(theirs) and any(name_of(one) in theirs for one in (said.sender, *said.recipients))


def name_of(text: str) -> str:
    """Give text as the index has it: what no database can hold is replaced, the rest is cut."""
    kept = text[:NAME_CHARS]
    if kept.isascii() and "\0" not in kept:
        return kept
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in kept)


def stamped_text(end: str, serial: int, digest: bytes) -> bytes:
    """Give what a mark's stamp is over; `end` is "start" or "end"."""
    return f"lyncpy archive {end} {serial}:{digest.hex()}".encode()


def tear_of(ends: ChainEnds) -> str:
    """Explain how the lines do not fit the stamped ends; "" when they fit."""
    start, end, last = ends.start.serial, ends.end.serial, ends.last
    if last > end:
        return f"entries up to {last} are there, but {end} was sealed as the last"
    if last < end and end > start:
        return f"entry {end} was sealed as the last, but {f'none is behind {last}' if last else 'there is none at all'}"
    return ""


def next_of(ends: ChainEnds) -> ChainPoint:
    """Give the point behind which a torn chain goes on: no number is given twice."""
    return ChainPoint(max(ends.end.serial, ends.last), ends.end.digest)


def over(lines: Sequence[LedgerLine], before: float) -> Sequence[LedgerLine]:
    """Give the lines at the front that are older than a moment.

    Only whole beginnings are purged, so that the rest stays a chain. An entry that a wrong
    clock dated into the future keeps those behind it for as long: too long, never too short.
    """
    count = next((n for n, line in enumerate(lines) if line.at >= before), len(lines))
    return lines[:count]


_NOBODY: Final = frozenset[str]()
_NOWHERE: Final = frozenset[Place]()


class ConversationIndex:
    """A cache of the users in the index of each conversation: only new ones cost a write or a look.

    Holds the conversations that were added to last; the oldest is forgotten first.

    Args:
        most: How many conversations are remembered.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, set[str]] = {}

    def fresh(self, said: ConversationEvent) -> frozenset[Place]:
        """Give the places of an entry that are not known to be there; usually all who speak, or are spoken to, have before."""
        known = self._known.get(said.conversation, _NOBODY)
        if said.sender in known and known.issuperset(said.recipients):
            return _NOWHERE
        return places(said, known)

    def add_entry(self, said: ConversationEvent) -> None:
        """Remember the people of an entry as places of its conversation, if its name is not as long as only hostile ones are."""
        if len(said.conversation) > NAME_CHARS:
            return
        known = self._known.pop(said.conversation, None) or set()
        known.add(said.sender)
        known.update(said.recipients)
        self._known[said.conversation] = known
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def clear(self) -> None:
        """Forget all places."""
        self._known.clear()
