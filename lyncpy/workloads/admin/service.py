"""The shell's life."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zope.interface import implementer

from lyncpy.contracts.records import IRecords
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.workloads.admin.settings import Settings


@implementer(IWorkload)
class Admin:
    """The administrators' door."""

    name = "admin"

    def __init__(
        self,
        offers: Callable[[], Sequence[Offer]],
        records: IRecords,
        home: Path,
        settings: Settings,
        timers: ITimers,
        reactor: Any,  # Any: a reactor is several interfaces
        reload: Callable[[], Sequence[str]],
        house: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self.offer = Offer(self.name)

    async def open(self) -> None:
        """Listen."""

    async def close(self) -> None:
        """Be gone."""
