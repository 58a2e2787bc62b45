"""The life of traces."""

from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.tracing import IHomer, ITraceFiles
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.deadline import Deadlines
from lyncpy.core.platform import Platform, Signaling
from lyncpy.core.spawn import spawn
from lyncpy.workloads.tracing.commands import Commands
from lyncpy.workloads.tracing.recorder import Recorder, Sources
from lyncpy.workloads.tracing.retention import TraceRetention
from lyncpy.workloads.tracing.settings import Settings

SWEEP_S: Final = 3600.0
"""From one look for traces that are too old to the next."""


@implementer(IWorkload)
class Tracing:
    """The workload: records what operators want to see, and removes it when it is old.

    Args:
        platform, signaling: The server's.
        files: Where traces are kept.
        homer: Gets what is sent on.
        settings: The section [tracing].
    """

    name = "tracing"
    log = Logger()

    def __init__(
        self, platform: Platform, signaling: Signaling, files: ITraceFiles, homer: IHomer, settings: Settings
    ) -> None:
        self._retention = TraceRetention(files, settings, platform.timers)
        flows, bus, timers = signaling.flows, platform.bus, platform.timers
        sources = Sources(flows, bus, platform.policies)
        self._recorder = Recorder(platform.node, sources, files, homer, self._retention, settings, timers)
        commands = Commands(self._recorder, files, homer, platform.people, platform.locator, settings, timers)
        self.offer = Offer(self.name, commands=commands.words(), reasons=(commands.reasons,))
        self._sweeps: Deadlines[str] = Deadlines(timers, self._look)

    async def open(self) -> None:
        """Remove what is too old, now and from time to time."""
        self._look(self.name)

    async def close(self) -> None:
        """End all traces; what was gathered is written."""
        self._sweeps.clear_all()
        self._recorder.stop_all("the server ends")

    def _look(self, name: str) -> None:
        self._sweeps.set(name, SWEEP_S)
        spawn(self._retention.remove_old(self._recorder.running), self.log, "the removal of old traces")
