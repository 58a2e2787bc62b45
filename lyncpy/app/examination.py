"""What `lyncpy check` says of this machine, asked again and again of a server that runs."""

from collections.abc import Callable, Sequence
from datetime import datetime

from twisted.internet.defer import Deferred

from lyncpy.app.check import standing_findings
from lyncpy.app.config import Config
from lyncpy.backends.threads import Threads
from lyncpy.contracts.finding import Finding


class Examination:
    """Looks at this machine in a thread.

    Args:
        config: By which settings; a reload brings others.
        threads: Where.
        wall: The wall clock.
    """

    def __init__(self, config: Config, threads: Threads, wall: Callable[[], datetime]) -> None:
        self.config = config
        self._threads = threads
        self._wall = wall

    def findings(self) -> Deferred[Sequence[Finding]]:
        """Look, by the settings of now."""
        config, now = self.config, self._wall()
        return self._threads.call_in_thread(lambda: list(standing_findings(config, now, is_running=True)))
