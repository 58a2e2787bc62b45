"""A trace as pcapng, which Wireshark reads.

The packets are what was within TLS, so there is no packet of a network to tell of: each is an exported PDU of Wireshark's own
link type, which names the dissector, the addresses and the ports. Each server process is an interface, by its name.

Spec: draft-ietf-opsawg-pcapng §4; link type 252 of the tcpdump registry; epan/exported_pdu.h of Wireshark has the tags.
"""

import ipaddress
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from lyncpy.workloads.tracing.model.entry import Socket, TraceEntry, TraceEntryKind

LINKTYPE_WIRESHARK_UPPER_PDU: Final = 252

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_MAGIC: Final = 0x1A2B3C4D

_COMMENT, _SHB_APPLICATION, _IF_NAME = 1, 4, 2

_TAG_DISSECTOR: Final = 12
_TAGS_OF_ADDRESSES: Final = {4: (20, 21), 6: (22, 23)}
"""IP version → tags of source and destination."""

_TAG_PORT_TYPE, _TAG_SOURCE_PORT, _TAG_DESTINATION_PORT = 24, 25, 26
_TCP: Final = 2

_DISSECTORS: Final = {TraceEntryKind.MESSAGE: "sip", TraceEntryKind.STATE: "data-text-lines"}


def pcapng(entries: Sequence[TraceEntry], program: str) -> Iterator[bytes]:
    """Give the file in pieces.

    Args:
        entries: In the order in which they are to stand there.
        program: Who wrote it.
    """
    nodes = list(dict.fromkeys(entry.node for entry in entries)) or [""]
    head = struct.pack("<IHHq", _MAGIC, 1, 0, -1)
    yield _block(_SECTION, head + _options([(_SHB_APPLICATION, program)]))
    for node in nodes:
        head = struct.pack("<HHI", LINKTYPE_WIRESHARK_UPPER_PDU, 0, 0)
        yield _block(_INTERFACE, head + _options([(_IF_NAME, node)]))
    for entry in entries:
        yield _packet(entry, nodes.index(entry.node))


def _packet(entry: TraceEntry, interface: int) -> bytes:
    data = _tags(entry) + entry.text.encode("utf-8", "backslashreplace")
    micros = round(entry.at * 1_000_000)
    head = struct.pack("<IIIII", interface, micros >> 32, micros & 0xFFFFFFFF, len(data), len(data))
    comment = [(_COMMENT, entry.text)] if entry.kind is TraceEntryKind.STATE else []
    return _block(_PACKET, head + _padded(data) + _options(comment))


def _tags(entry: TraceEntry) -> bytes:
    tags = [_tag(_TAG_DISSECTOR, _DISSECTORS[entry.kind].encode())]
    ends = _addresses(entry.source, entry.destination)
    if ends:
        source, destination = _TAGS_OF_ADDRESSES[ends[0].version]
        tags += [_tag(source, ends[0].packed), _tag(destination, ends[1].packed)]
        tags += [_tag(_TAG_PORT_TYPE, struct.pack(">I", _TCP))]
        tags += [_tag(_TAG_SOURCE_PORT, struct.pack(">I", entry.source.port))]
        tags += [_tag(_TAG_DESTINATION_PORT, struct.pack(">I", entry.destination.port))]
    return b"".join([*tags, struct.pack(">HH", 0, 0)])


def _addresses(*sockets: Socket) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Read the addresses of both ends, which are of one family; none where one is no address."""
    try:
        found = [ipaddress.ip_address(one.address) for one in sockets]
    except ValueError:
        return []
    return found if len({one.version for one in found}) == 1 else []


def _tag(number: int, value: bytes) -> bytes:
    """Write a tag: its length is that of the value, padded."""
    padded = _padded(value)
    return struct.pack(">HH", number, len(padded)) + padded


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _options(options: Iterable[tuple[int, str]]) -> bytes:
    written = b""
    for code, text in options:
        value = text.encode("utf-8", "backslashreplace")[:1000]
        written += struct.pack("<HH", code, len(value)) + _padded(value)
    return written + struct.pack("<HH", 0, 0) if written else b""


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
