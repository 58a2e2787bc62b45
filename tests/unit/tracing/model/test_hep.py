"""HEP version 3, byte by byte and as its chunks."""

import struct
from dataclasses import replace

from lyncpy.workloads.tracing.model.entry import Socket, TraceEntry, TraceEntryKind
from lyncpy.workloads.tracing.model.hep import HepSender, hep_packet
from tests.kit.traces import SIGN_IN, state

SENDER = HepSender(2001)

EXAMPLE = TraceEntry(
    1_313_440_000.5,
    "n1",
    TraceEntryKind.MESSAGE,
    "INVITE sip:b@x SIP/2.0\r\nCall-ID: ab\r\n\r\n",
    "n1/1",
    Socket("212.202.0.1", 12010),
    Socket("82.116.0.211", 5060),
    is_inward=True,
)


def chunks(packet: bytes) -> dict[int, bytes]:
    """Read a packet as a Homer server does."""
    assert packet[:4] == b"HEP3"
    assert struct.unpack(">H", packet[4:6]) == (len(packet),)
    found, at = {}, 6
    while at < len(packet):
        vendor, kind, length = struct.unpack(">HHH", packet[at : at + 6])
        assert vendor == 0
        found[kind] = packet[at + 6 : at + length]
        at += length
    assert at == len(packet)
    return found


def test_a_packet_is_what_the_specification_says_byte_by_byte() -> None:
    """Addresses, ports and types stand as in its example."""
    assert hep_packet(EXAMPLE, SENDER) == bytes.fromhex(
        "48455033 009a"  # HEP3, the length of all
        "0000 0001 0007 02"  # IPv4
        "0000 0002 0007 06"  # TCP
        "0000 0003 000a d4ca0001"  # 212.202.0.1
        "0000 0004 000a 527400d3"  # 82.116.0.211
        "0000 0007 0008 2eea"  # 12010
        "0000 0008 0008 13c4"  # 5060
        "0000 0009 000a 4e498100"  # 1313440000
        "0000 000a 000a 0007a120"  # 500000
        "0000 000b 0007 01"  # SIP
        "0000 000c 000a 000007d1"  # 2001
        "0000 0013 0008 6e31"  # n1
        "0000 0011 0008 6162"  # ab
        "0000 000f 002d"
        "494e56495445207369703a62407820534950"
        "2f322e300d0a43616c6c2d49443a2061620d0a0d0a"
    )


def test_an_answer_goes_the_other_way() -> None:
    """Source and destination change places, and so do the ports."""
    found = chunks(hep_packet(SIGN_IN[1], SENDER))
    assert found[0x03] == bytes([198, 51, 100, 1])
    assert struct.unpack(">H", found[0x08]) == (50001,)


def test_ipv6_has_chunks_of_its_own() -> None:
    """And the family is the one that Homer knows."""
    entry = replace(EXAMPLE, client=Socket("2001:db8::1", 1), server=Socket("2001:db8::2", 2))
    found = chunks(hep_packet(entry, SENDER))
    assert found[0x01] == b"\x0a"
    assert (found[0x05][-1], found[0x06][-1]) == (1, 2)


def test_a_change_of_state_is_a_line_of_a_log() -> None:
    """It has no connection, and no message to correlate with."""
    found = chunks(hep_packet(state("signed out", 0.0), HepSender(1, "key")))
    assert (found[0x0B], found[0x0E], found[0x0F]) == (b"\x64", b"key", b"signed out")
    assert 0x11 not in found


def test_two_families_are_told_as_no_address() -> None:
    """A relay may have been reached over the other one."""
    entry = replace(EXAMPLE, client=Socket("2001:db8::1", 1))
    assert chunks(hep_packet(entry, SENDER))[0x05] == bytes(16)


def test_a_message_that_does_not_fit_is_cut() -> None:
    """The length has 16 bits, and a datagram less."""
    packet = hep_packet(replace(EXAMPLE, text="x" * 100_000), SENDER)
    assert len(packet) <= 65_000
    assert chunks(packet)[0x0F][:3] == b"xxx"
