"""What a server is told of its machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed

from lyncpy.app.followed_files import InThread
from lyncpy.app.log_levels import LogLevels
from lyncpy.app.process import ParentLine, say
from lyncpy.app.supervision import ProcessState
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.workload import Reason
from lyncpy.core.conditions import Examine
from lyncpy.core.node_places import NodePlaces
from lyncpy.wire.ports import Handed
from lyncpy.workloads.web.icon import IconFile

Conditions = tuple[Callable[[], Sequence[Reason]], ...]


def at_once(call: Callable[[], Any]) -> Deferred[Any]:  # Any: each call has its own result
    """Do here what blocks."""
    return succeed(call())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of a server's machine."""

    conditions: Conditions = ()
    """What the doors say of themselves."""

    found: Sequence[Finding] = ()
    """What was wrong before the start."""

    examine: Examine | None = None
    """Looks at it again."""

    end: Callable[[], None] = lambda: None
    """Ends this process in order."""

    parent: ParentLine | None = None
    """The line to the parent, where this is one of several processes."""

    levels: LogLevels = field(default_factory=LogLevels)
    """What the log tells."""

    in_thread: InThread = at_once
    """Does what blocks; a server without doors does it at once."""

    icon: IconFile = field(default_factory=lambda: IconFile(None))
    """Of the pages that people see."""

    @property
    def handed(self) -> Handed:
        """Give the ports that are open already."""
        return self.parent.given.ports if self.parent is not None else {}

    def has_others(self, places: NodePlaces) -> bool:
        """Tell whether this process leaves, and others of its machine stay, which take whoever comes."""
        if not places.is_leaving or self.parent is None:
            return False
        serving = [one for one in self.parent.processes() if one.state is ProcessState.RUNNING]
        own = self.parent.given.number
        return any(one.number != own and places.stays(NodeName(one.node)) for one in serving)

    @property
    def absent(self) -> Callable[[], Sequence[str]] | None:
        """Give what says which processes of this machine do not serve."""
        return self.parent.absent if self.parent is not None else None

    @property
    def stop(self) -> Callable[[], None] | None:
        """Give what an operator's `shutdown` does; None: this process ends."""
        return partial(say, end=True) if self.parent is not None else None


ALONE: Final = Surroundings()
"""Nothing is known of a machine, and nothing of it is looked at."""
