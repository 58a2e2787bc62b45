"""A trace's entries as Homer takes them: HEP version 3, a packet for each entry.

Spec: "Homer Encapsulation Protocol", revision 3 (sipcapture/HEP, docs/HEP3_rev12): "HEP3", the length of all, and chunks of
vendor, type, length and value, all in network order.
"""

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

from lyncpy.workloads.tracing.model.entry import TraceEntry, TraceEntryKind
from lyncpy.workloads.tracing.model.glance import glance

DATAGRAM_MOST: Final = 65_000
"""Bytes of a packet that fits into one datagram of UDP over IPv4 and IPv6, and whose length fits into 16 bits."""

_FAMILY, _PROTOCOL = 0x01, 0x02
_ADDRESSES: Final = {4: (2, 0x03, 0x04), 6: (10, 0x05, 0x06)}
"""IP version → number of the family, chunks of source and destination."""

_SOURCE_PORT, _DESTINATION_PORT, _SECONDS, _MICROSECONDS = 0x07, 0x08, 0x09, 0x0A
_PAYLOAD_TYPE, _AGENT, _KEY, _PAYLOAD, _CORRELATION, _NODE = 0x0B, 0x0C, 0x0E, 0x0F, 0x11, 0x13
_TCP: Final = 6
_PAYLOAD_TYPES: Final = {TraceEntryKind.MESSAGE: 1, TraceEntryKind.STATE: 100}
"""SIP, and a line of a log."""


@dataclass(frozen=True, slots=True)
class HepSender:
    """Who sends."""

    agent: int
    """The number of the capture agent."""

    key: str = ""
    """What proves it to the Homer server; "": nothing."""


def hep_packet(entry: TraceEntry, sender: HepSender, most: int = DATAGRAM_MOST) -> bytes:
    """Write one entry; a payload that does not fit is cut at its end.

    Args:
        entry: The entry.
        sender: Who sends it.
        most: Bytes of the packet.
    """
    source, destination = _address(entry.source.address), _address(entry.destination.address)
    if source.version != destination.version:
        source = destination = ipaddress.IPv6Address(0)
    family, source_chunk, destination_chunk = _ADDRESSES[source.version]
    micros = round(entry.at * 1_000_000)
    chunks = [
        _chunk(_FAMILY, bytes([family])),
        _chunk(_PROTOCOL, bytes([_TCP])),
        _chunk(source_chunk, source.packed),
        _chunk(destination_chunk, destination.packed),
        _chunk(_SOURCE_PORT, struct.pack(">H", entry.source.port)),
        _chunk(_DESTINATION_PORT, struct.pack(">H", entry.destination.port)),
        _chunk(_SECONDS, struct.pack(">I", micros // 1_000_000)),
        _chunk(_MICROSECONDS, struct.pack(">I", micros % 1_000_000)),
        _chunk(_PAYLOAD_TYPE, bytes([_PAYLOAD_TYPES[entry.kind]])),
        _chunk(_AGENT, struct.pack(">I", sender.agent)),
        _chunk(_NODE, entry.node.encode()),
    ]
    if sender.key:
        chunks.append(_chunk(_KEY, sender.key.encode()))
    payload = entry.text.encode("utf-8", "backslashreplace")
    call_id = glance(payload).call_id if entry.kind is TraceEntryKind.MESSAGE else entry.flow
    if call_id:
        chunks.append(_chunk(_CORRELATION, call_id.encode()[:1000]))
    head = b"".join(chunks)
    payload = payload[: most - len(head) - 12]
    body = head + _chunk(_PAYLOAD, payload)
    return b"HEP3" + struct.pack(">H", len(body) + 6) + body


def _chunk(kind: int, value: bytes) -> bytes:
    return struct.pack(">HHH", 0, kind, len(value) + 6) + value


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return ipaddress.IPv4Address(0)
