"""What telephony needs to know of people, without a server."""

from collections.abc import Mapping, Sequence

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import Group, IPeople
from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import Policy
from lyncpy.core.forward import ForkResult, OnEarly
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.voice.decisions import Decisions
from lyncpy.workloads.voice.dial_plans import DialPlans
from lyncpy.workloads.voice.numbers import Numbers
from lyncpy.workloads.voice.scopes import Scopes
from lyncpy.workloads.voice.settings import Settings
from tests.kit.owners import AddressMeanings
from tests.kit.vault import FixedPolicies


class NoCalls:
    """Nobody calls: what is sent has neither audio nor video."""

    def outward(self, arrival: Arrival) -> None:
        """Know no telephones."""

    async def ring(self, arrival: Arrival, called: Aor, on_early: OnEarly | None) -> ForkResult:
        """Say that a test should not have come here."""
        raise AssertionError(f"{called} is called")


def scopes_of(people: IPeople, groups: Sequence[Group] = (), policies: Mapping[Aor, Policy] | None = None) -> Scopes:
    """Give what says which table is whose, among these people and groups."""
    known = Groups(people)
    for group in groups:
        known.put_group(group)
    for person in people.everybody():
        known.know(person)
    return Scopes(people, known, FixedPolicies(policies), AddressMeanings(), "test")


def numbers_of(people: IPeople, domain: str, settings: Settings | None = None) -> Numbers:
    """Give what finds the people behind numbers, by a section [voice]."""
    section, scopes = settings or Settings(), scopes_of(people)
    return Numbers(people, Decisions(people, DialPlans(section, scopes), section, scopes), [domain])
