"""What systemd is told of the server's life: that it is ready, reads its settings again, ends, and still turns."""

import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline

_ADDRESS: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = ("WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """Tells systemd, where it has started this process; else nobody.

    Args:
        environ: The process's environment; what is meant for this process is taken out of it, lest its children speak for it.

    Spec: systemd, sd_notify(3).
    """

    log = Logger()

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.pop(_ADDRESS, "")
        every, whose = (environ.pop(name, "") for name in _WATCHDOG)
        # A name that begins with "@" is an abstract one.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_mine = whose in ("", str(os.getpid()))
        self._every_s = int(every) / 2e6 if is_mine and every.isascii() and every.isdigit() else 0.0
        self._next: Deadline | None = None

    def ready(self, timers: ITimers) -> None:
        """Tell that clients are awaited, and from now on that the reactor turns, twice as often as is wanted."""
        self._tell("READY=1", "STATUS=clients are awaited")
        if self._address and self._every_s:
            self._next = Deadline(timers, self._turns)
            self._turns()

    def reloading(self) -> None:
        """Tell that the settings are read again."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def reloaded(self) -> None:
        """Tell that they are read."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """Tell that the server ends; it goes on telling that it turns."""
        self._tell("STOPPING=1", "STATUS=what is under way is brought to an end")

    def _turns(self) -> None:
        self._tell("WATCHDOG=1")
        if self._next is not None:
            self._next.set(self._every_s)

    def _tell(self, *words: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
            try:
                out.sendto("\n".join(words).encode(), self._address)
            except OSError as error:
                self.log.warn("systemd cannot be told {words}: {reason}", words=words[0], reason=error.strerror)
