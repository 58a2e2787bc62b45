"""The real media engine: what is heard at one end is what was said at the other, through ICE, SRTP and both directions."""

import math
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from lyncpy.media.model.forms import (
    Allocate,
    Allocated,
    Codec,
    Connect,
    Digit,
    End,
    LegWish,
    LocalLeg,
    Measured,
    Message,
    Question,
    Reached,
    Ready,
    RemoteLeg,
    read,
    write,
)
from tests.kit.orphans import tied

pytestmark = pytest.mark.interop

PYTHON: Final = "/usr/bin/python3"
PROGRAM: Final = Path(__file__).parents[2] / "lyncpy/media/program/engine.py"
LACKS: Final = (
    "No module named 'gi'",
    "Namespace Gst not available",
    "Namespace Nice not available",
    "GStreamer lacks",
)
PATIENCE_S: Final = 60.0
HOST: Final = "127.0.0.1"
TONES: Final = (440, 1000)
PACKET: Final = 160
HEARD: Final = 30
"""Packets that are listened to, at each end."""


class Engine:
    """An engine that was asked by its own language."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")
        self._number = 0
        self.events: list[Message] = []

    def read(self) -> tuple[int, Message]:
        """Wait for what it says."""
        number, message = read(self._file.readline()[:-1])
        if number == 0:
            self.events.append(message)
        return number, message

    def ask(self, question: Question) -> Message:
        """Ask, and give the answer."""
        self._number += 1
        self._file.write(write(self._number, question))
        self._file.flush()
        while True:
            number, message = self.read()
            if number == self._number:
                return message

    def wait(self, kind: type[Message], many: int) -> None:
        """Wait for so many events of a kind."""
        while sum(isinstance(one, kind) for one in self.events) < many:
            self.read()

    def close(self) -> None:
        """Let go of the connection."""
        self._file.close()

    def legs(self, question: Allocate) -> tuple[LocalLeg, ...]:
        """Begin a call."""
        answer = self.ask(question)
        assert isinstance(answer, Allocated), answer
        return answer.legs


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give a running one; skipped where the system's Python has no GStreamer."""
    listening, said = tmp_path / "engine.sock", tmp_path / "said"
    with said.open("wb") as log:
        process = subprocess.Popen(
            tied([PYTHON, str(PROGRAM), str(listening)]), stdout=subprocess.PIPE, stderr=log, cwd="/"
        )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            process.wait(PATIENCE_S)
            words = said.read_text()
            if any(one in words for one in LACKS):
                pytest.skip(
                    "install python3-gi gir1.2-nice-0.1 gir1.2-gstreamer-1.0 gstreamer1.0-nice -plugins-good -plugins-bad"
                )
            raise AssertionError(words)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(listening))
            engine = Engine(connection)
            engine.wait(Ready, 1)
            yield engine
            engine.close()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert not listening.exists()
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def sound(tone: int, number: int) -> bytes:
    """Give a packet of a tone: PCMU without its logarithm, of which only the sign and one segment are used."""
    turn = (math.sin(2 * math.pi * tone * (number * PACKET + one) / 8000) for one in range(PACKET))
    return bytes(0x80 | 0x40 if value >= 0 else 0x40 for value in turn)


def loudness(packets: list[bytes], tone: int) -> float:
    """Give how much of a tone there is, packet by packet, so that one that is missing does no harm."""
    total = 0.0
    for packet in packets:
        values = [1 if one & 0x80 else -1 for one in packet]
        waves = [2 * math.pi * tone * one / 8000 for one in range(len(values))]
        real = sum(value * math.cos(wave) for value, wave in zip(values, waves, strict=True))
        unreal = sum(value * math.sin(wave) for value, wave in zip(values, waves, strict=True))
        total += real * real + unreal * unreal
    return total


class Telephone:
    """A plain end: says a tone, and keeps what it hears."""

    def __init__(self, tone: int) -> None:
        self.tone = tone
        self.heard: list[bytes] = []
        self.number = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.settimeout(0.05)

    @property
    def remote(self) -> RemoteLeg:
        """Say where it is."""
        return RemoteLeg(Codec("PCMU", 0), 101, HOST, self.socket.getsockname()[1])

    def says(self, port: int, payload: int, data: bytes) -> None:
        """Send a packet."""
        self.number += 1
        head = struct.pack("!BBHII", 0x80, payload, self.number, self.number * PACKET, self.tone)
        self.socket.sendto(head + data, (HOST, port))

    def hears(self) -> None:
        """Take what has come."""
        try:
            packet = self.socket.recv(2000)
        except TimeoutError:
            return
        if packet[1] & 0x7F == 0:
            self.heard.append(packet[12:])


def far_end(leg: LocalLeg) -> RemoteLeg:
    """Say what the other call's leg is."""
    return RemoteLeg(Codec("PCMU", 0), 101, "", 0, 0, leg.user, leg.password, leg.candidates, leg.key)


def test_both_ends_hear_one_another_through_ice_and_srtp(engine: Engine) -> None:
    """Two calls face each other with ICE and SRTP, each with a telephone behind it; digits and figures are told."""
    ice, plain = LegWish(HOST, 21_000, 21_999, ice=True, secure=True), LegWish(HOST, 21_000, 21_999)
    controlling = LegWish(HOST, 21_000, 21_999, ice=True, secure=True, controlling=True)
    one, other = engine.legs(Allocate("one", (controlling, plain))), engine.legs(Allocate("other", (ice, plain)))
    ends = tuple(map(Telephone, TONES))
    for name, facing, end in (("one", other[0], ends[0]), ("other", one[0], ends[1])):
        engine.ask(Connect(name, 0, far_end(facing)))
        engine.ask(Connect(name, 1, end.remote))
    engine.wait(Reached, 2)
    said = 0
    while min(len(end.heard) for end in ends) < HEARD:
        said += 1
        for end, legs in zip(ends, (one, other), strict=True):
            if said % 10 == 0:
                end.says(legs[1].port, 101 | 0x80, bytes([5, 0x8A, 0, PACKET]))
            else:
                end.says(legs[1].port, 0, sound(end.tone, said))
            end.hears()
        assert said < 1200, "nothing is heard"
    engine.wait(Digit, 1)
    for end, tone, echo in zip(ends, reversed(TONES), TONES, strict=True):
        assert loudness(end.heard, tone) > 20 * loudness(end.heard, echo)
        end.socket.close()
    assert {one.digit for one in engine.events if isinstance(one, Digit)} == {"5"}
    figures = engine.ask(End("one"))
    assert isinstance(figures, Measured)
    assert min(min(leg.received, leg.sent) for leg in figures.legs) >= HEARD
    engine.ask(End("other"))
