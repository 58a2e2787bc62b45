"""One line of a trace, as it is kept and as it is read again."""

import enum
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from lyncpy.sip.plain import clean


class TraceEntryKind(enum.Enum):
    """What an entry tells of."""

    MESSAGE = "message"
    """A SIP message over a connection."""

    STATE = "state"
    """A change of state, in a sentence."""


class Socket(NamedTuple):
    """One end of a connection."""

    address: str
    port: int


NOWHERE: Final = Socket("", 0)


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One message, or one change of state."""

    at: float
    """Seconds since the epoch as the host had them when the process began, and the time since: they never step."""

    node: str
    kind: TraceEntryKind
    text: str
    """A message without its secrets, or a sentence."""

    flow: str = ""
    client: Socket = NOWHERE
    server: Socket = NOWHERE
    is_inward: bool = False
    """Whether a message came from the client."""

    @property
    def source(self) -> Socket:
        """Where a message comes from."""
        return self.client if self.is_inward else self.server

    @property
    def destination(self) -> Socket:
        """Where a message goes to."""
        return self.server if self.is_inward else self.client

    def fields(self) -> dict[str, object]:
        """Give it as it is written to files and to programs."""
        return {
            "at": instant(self.at),
            "seconds": round(self.at, 6),
            "node": self.node,
            "kind": self.kind.value,
            "flow": self.flow,
            "client": list(self.client),
            "server": list(self.server),
            "direction": "in" if self.is_inward else "out",
            "text": self.text,
        }

    def line(self) -> bytes:
        """Give it as one line of a file."""
        return json.dumps(self.fields(), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def read_entries(lines: Iterable[bytes]) -> Iterator[TraceEntry]:
    """Read entries; what is no whole one, as the last line before a power failure, is passed over."""
    for line in lines:
        try:
            found = json.loads(line)
            yield entry_of(found)
        except (ValueError, KeyError, TypeError):
            continue


SAME_S: Final = 2.0
"""Seconds within which two servers tell of the same change."""


def merged(entries: Iterable[TraceEntry]) -> list[TraceEntry]:
    """Give the entries of all servers in order of time; a change of which each of them has heard stands there once."""
    found: list[TraceEntry] = []
    told: dict[str, TraceEntry] = {}
    for entry in sorted(entries, key=lambda one: one.at):
        if entry.kind is TraceEntryKind.STATE and not entry.flow:
            before = told.get(entry.text)
            if before is not None and before.node != entry.node and entry.at - before.at < SAME_S:
                continue
            told[entry.text] = entry
        found.append(entry)
    return found


def entry_of(found: dict[str, Any]) -> TraceEntry:  # Any: what a line has
    """Read one; raises ValueError, KeyError or TypeError."""
    return TraceEntry(
        at=float(found["seconds"]),
        node=str(found["node"]),
        kind=TraceEntryKind(found["kind"]),
        text=str(found["text"]),
        flow=str(found["flow"]),
        client=_socket(*found["client"]),
        server=_socket(*found["server"]),
        is_inward=found["direction"] == "in",
    )


def instant(at: float) -> str:
    """Write a time to the microsecond: RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sentence(words: str) -> str:
    """Give a change of state as it may be shown: on one line, and no longer than it has to be."""
    return clean(words)[:500]


def _socket(address: str, port: int) -> Socket:
    return Socket(str(address), int(port))
