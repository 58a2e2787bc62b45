"""The blocks of a pcapng file; that Wireshark reads it, tests/interop/test_traces.py says."""

import struct
from collections.abc import Iterator
from dataclasses import replace

from lyncpy.workloads.tracing.model.entry import Socket
from lyncpy.workloads.tracing.model.pcapng import LINKTYPE_WIRESHARK_UPPER_PDU, pcapng
from tests.kit.traces import SIGN_IN


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Read the blocks of a file."""
    while data:
        kind, length = struct.unpack("<II", data[:8])
        assert length % 4 == 0
        assert data[length - 4 : length] == data[4:8]
        yield kind, data[8 : length - 4]
        data = data[length:]


def test_a_file_has_a_section_an_interface_for_each_server_and_a_packet_for_each_entry() -> None:
    """Each packet says at which server it was."""
    entries = [*SIGN_IN, replace(SIGN_IN[0], node="n2")]
    found = list(blocks(b"".join(pcapng(entries, "lyncpy"))))
    assert [kind for kind, _ in found] == [0x0A0D0D0A, 1, 1, *[6] * len(entries)]
    assert struct.unpack("<H", found[1][1][:2]) == (LINKTYPE_WIRESHARK_UPPER_PDU,)
    assert b"n2" in found[2][1]
    assert [struct.unpack("<I", body[:4])[0] for kind, body in found if kind == 6] == [0, 0, 0, 0, 0, 1]


def test_a_packet_has_its_time_in_microseconds() -> None:
    """As two halves of 64 bits."""
    packet = list(blocks(b"".join(pcapng(SIGN_IN[:1], "lyncpy"))))[2][1]
    high, low = struct.unpack("<II", packet[4:12])
    assert (high << 32) + low == 1_700_000_000_250_000


def test_an_end_that_is_no_address_is_left_out() -> None:
    """So are two of different families; the message is there all the same."""
    for client in (Socket("", 0), Socket("2001:db8::1", 1)):
        (data,) = [
            body for kind, body in blocks(b"".join(pcapng([replace(SIGN_IN[0], client=client)], ""))) if kind == 6
        ]
        assert b"REGISTER" in data
        assert bytes([198, 51, 100, 1]) not in data


def test_an_empty_trace_is_a_file_too() -> None:
    """Wireshark opens it, and shows nothing."""
    assert [kind for kind, _ in blocks(b"".join(pcapng([], "lyncpy")))] == [0x0A0D0D0A, 1]
