"""A real receiver of HEP: Kamailio with its module sipcapture, which says what each packet holds."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pytest

from tests.kit.daemon import Daemon

MODULES: Final = Path("/usr/lib/x86_64-linux-gnu/kamailio/modules")

_CONFIGURATION: Final = """
debug=2
log_stderror=yes
children=1
auto_aliases=no
listen=udp:127.0.0.1:{port}
disable_tcp=yes
mpath="{modules}/"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "db_text.so"
loadmodule "sipcapture.so"
modparam("sipcapture", "db_url", "text://{folder}")
modparam("xlog", "buf_size", 131072)
modparam("sipcapture", "hep_capture_on", 1)
modparam("sipcapture", "nonsip_hook", 1)

event_route[sipcapture:request] {{
    xlog("L_ERR", "captured {chunks}\\n");
}}

request_route {{
    drop;
}}
"""

_CHUNKS: Final = (
    "$hep(version) $hep(0x00b) $hep(0x003):$hep(0x007) $hep(0x004):$hep(0x008) $hep(0x009) $hep(0x00a) $hep(0x00c)"
    " $(hep(0x00f){s.encode.hexa})"
)
"""What of a packet is said, by the numbers of its chunks; the payload in hexadecimal digits, for it has lines."""

_CAPTURED: Final = re.compile(
    r"captured (\d+) (\d+) (\S+):(\d+) (\S+):(\d+) (\d+) (\d+) (\d+) ([0-9A-Fa-f]+)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """One packet of HEP, as the receiver understood it."""

    version: int
    kind: int
    """Of its payload: 1 is SIP, 100 a line of a log."""

    source: tuple[str, int]
    destination: tuple[str, int]
    at: float
    agent: int
    payload: bytes


class HepReceiver:
    """A Kamailio that takes HEP at one port of 127.0.0.1 while it is entered.

    Args:
        folder: For its configuration and what it says.
        port: Of UDP.
    """

    def __init__(self, folder: Path, port: int) -> None:
        if shutil.which("kamailio", path="/usr/sbin:/usr/bin") is None or not (MODULES / "sipcapture.so").exists():
            pytest.skip("no kamailio here: apt-get install kamailio")
        self._folder, self._port = folder, port
        self._said = folder / "kamailio.log"
        self._daemon = Daemon(self._said)
        text = _CONFIGURATION.format(port=port, modules=MODULES, folder=folder, chunks=_CHUNKS)
        (folder / "kamailio.cfg").write_text(text)

    def __enter__(self) -> Self:
        words = ("kamailio", "-f", str(self._folder / "kamailio.cfg"), "-DD", "-E", "-Y", str(self._folder))
        self._daemon.start(words, self._is_bound)
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop()

    def _is_bound(self) -> bool:
        """Tell whether somebody has the port, and so whether what is sent there waits for being read."""
        ports = [line.split()[1].rpartition(":")[2] for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
        return f"{self._port:04X}" in ports

    def captured(self) -> list[CapturedPacket]:
        """Give the packets that have come so far."""
        found = _CAPTURED.findall(self._said.read_text("utf-8", "replace"))
        return [
            CapturedPacket(
                int(version),
                int(kind),
                (source, int(source_port)),
                (destination, int(destination_port)),
                int(seconds) + int(micros) / 1_000_000,
                int(agent),
                bytes.fromhex(payload),
            )
            for version, kind, source, source_port, destination, destination_port, seconds, micros, agent, payload in found
        ]
