"""The life of telephony."""

from collections.abc import Collection

from zope.interface import implementer

from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.platform import Platform
from lyncpy.workloads.voice.commands import Commands
from lyncpy.workloads.voice.numbers import Numbers


@implementer(IWorkload)
class Voice:
    """The workload: knows whose a number is.

    Attributes:
        numbers: Finds the person behind a number; assembly passes it to whoever passes calls on.
    """

    name = "voice"

    def __init__(self, platform: Platform, domains: Collection[str]) -> None:
        self.numbers = Numbers(platform.people, domains)
        self.offer = Offer(self.name, commands=Commands(platform.people, platform.timers).words())

    async def open(self) -> None:
        """Do nothing: the directory knows the numbers."""

    async def close(self) -> None:
        """Do nothing."""
