"""Open files: every connection is one, and a system may allow few.

The usual limit of 1024 is raised as far as the system lets; what it does not grant is
taken off the numbers of connections at the start, so that the store, the directory and the
shell have theirs at any time and no accept ever fails for want of one.
"""

import os
import resource
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

SPARE: Final = 64
"""Files that may be opened later on: links to the directory, exports, files read again, threads of the store."""

LEAST: Final = 4
"""Connections below which it is no use to start."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections each listener may have."""

    sip: int
    web: int


class OpenFiles:
    """The limit of open files of this process, and how the listeners share what is left of it.

    Args:
        sip: Of clients, [sip] connections.
        web: Of browsers, [web] connections; 0: there is no such listener.
        others: Of the shell.
    """

    log = Logger()

    def __init__(self, sip: int, web: int, others: int) -> None:
        self._sip = sip
        self._web = web
        self._others = others

    def claim(self) -> ConnectionLimits:
        """Raise the limit of open files, and share them. Call it when all units but the listeners are open.

        Returns:
            What the settings want, or less; each at least `LEAST` unless nobody wants it.
        """
        aside = _open_now() + SPARE + self._others
        wanted = self._sip + self._web + aside
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return ConnectionLimits(self._sip, self._web)
        granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
        if granted >= wanted:
            return ConnectionLimits(self._sip, self._web)
        shares = shared(granted - aside, self._sip, self._web)
        self.log.warn(
            "this system allows {granted} open files: {sip} connections of clients and {web} of browsers, the rest is"
            " kept for the store, the directory and the shell; for the {connections} of [sip] connections set"
            " LimitNOFILE={wanted} in the service's unit",
            granted=granted,
            sip=shares.sip,
            web=shares.web,
            connections=self._sip,
            wanted=wanted,
        )
        return shares


def shared(left: int, sip: int, web: int) -> ConnectionLimits:
    """Share the remaining files in proportion to the wanted numbers."""
    for_web = min(web, max(left * web // (sip + web), LEAST if web else 0))
    return ConnectionLimits(max(min(sip, left - for_web), LEAST), for_web)


def _open_now() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))
        except OSError:
            continue
    return SPARE
