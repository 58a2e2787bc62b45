"""The life of telephony."""

from collections.abc import Collection

from zope.interface import implementer

from lyncpy.contracts.owners import IMeanings
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.platform import Platform
from lyncpy.workloads.voice.commands import Commands
from lyncpy.workloads.voice.decisions import Decisions
from lyncpy.workloads.voice.dial_plans import DialPlans
from lyncpy.workloads.voice.numbers import Numbers
from lyncpy.workloads.voice.routes import Routes
from lyncpy.workloads.voice.scopes import Scopes
from lyncpy.workloads.voice.settings import Settings


@implementer(IWorkload)
class Voice:
    """The workload: knows whose a number is, and what becomes of what people dial.

    Attributes:
        plans: Say what becomes of what people dial, and of numbers that a directory lists.
        numbers: Finds the person behind a number; assembly passes it to whoever passes calls on.
    """

    name = "voice"

    def __init__(self, platform: Platform, meanings: IMeanings, domains: Collection[str], settings: Settings) -> None:
        people = platform.people

        def scopes(place: str) -> Scopes:
            return Scopes(people, platform.groups, platform.policies, meanings, place)

        self.plans = DialPlans(settings, scopes("voice dial plans"))
        self._decisions = Decisions(people, self.plans, settings, scopes("voice policies"))
        self.numbers = Numbers(people, self._decisions, domains)
        routes = Routes(self.plans)
        self.offer = Offer(
            self.name,
            routes=tuple(routes.rows()),
            provisions=tuple(routes.provisions()),
            commands=Commands(people, self.numbers, platform.timers).words(),
        )

    def adopt(self, settings: Settings) -> bool:
        """Put other settings in force; tell whether they differ."""
        changed = self.plans.adopt(settings)
        return self._decisions.adopt(settings) or changed

    async def open(self) -> None:
        """Note whom the settings mean; the directory is open already."""
        self.plans.note()
        self._decisions.note()

    async def close(self) -> None:
        """Do nothing."""
