"""The removal of traces that are too old, or too many."""

from collections.abc import Collection

from twisted.logger import Logger

from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.tracing import ITraceFiles
from lyncpy.workloads.tracing.settings import Settings


class TraceRetention:
    """Keeps the folder of traces within its bounds.

    Args:
        files: The folder.
        settings: The section [tracing].
        timers: The clock.
    """

    log = Logger()

    def __init__(self, files: ITraceFiles, settings: Settings, timers: ITimers) -> None:
        self._files = files
        self._settings = settings
        self._timers = timers

    async def remove_old(self, running: Collection[str], room: int = 0) -> None:
        """Remove what was not written to for `kept_s`, and the oldest of what is more than `kept`.

        Args:
            running: Names of traces that are none of these.
            room: Traces for which there is to be room besides.
        """
        try:
            found = [one for one in await self._files.files() if one.name not in running]
            before = self._timers.past() - self._settings.kept_s
            surplus = len(found) + room - self._settings.kept
            for number, one in enumerate(found):
                if one.written < before or number < surplus:
                    await self._files.remove(one.name)
        except OSError as error:
            self.log.warn("old traces cannot be removed: {reason} ([tracing] folder)", reason=str(error))
