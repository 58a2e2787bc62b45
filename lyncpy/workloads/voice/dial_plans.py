"""Whose dial plan is which, and what people dial by it."""

from collections.abc import Mapping
from typing import Final

from lyncpy.contracts.names import Aor
from lyncpy.workloads.voice.model.dialplan import USERS_OWN, USUAL, DialPlan, listed
from lyncpy.workloads.voice.scopes import DEFAULT, ChosenTable, Scope, Scopes
from lyncpy.workloads.voice.settings import DialPlanSettings, Settings


class DialPlans:
    """The dial plans of the section [voice], as it stands.

    Args:
        settings: The section.
        scopes: Say which is whose.
    """

    def __init__(self, settings: Settings, scopes: Scopes) -> None:
        self._scopes_of = scopes
        self._settings = settings
        self._plans: Mapping[str, DialPlan] = {}
        self._scopes: Mapping[str, Scope] = {}
        self._by_context: Mapping[str, DialPlan] = {}
        self._take(settings)

    def _take(self, settings: Settings) -> None:
        self._settings = settings
        self._plans = {DEFAULT: USUAL, **{name: _plan(name, one) for name, one in settings.dial_plans.items()}}
        self._scopes = {name: Scope(one.members, one.policies) for name, one in settings.dial_plans.items()}
        self._by_context = {plan.key: plan for plan in self._plans.values()}

    def adopt(self, settings: Settings) -> bool:
        """Put other plans in force; tell whether they differ."""
        if settings.dial_plans == self._settings.dial_plans:
            return False
        self._take(settings)
        self.note()
        return True

    def note(self) -> None:
        """Note whom the members mean."""
        self._scopes_of.note(self._scopes)

    @property
    def usual(self) -> DialPlan:
        """The plan of everybody whom no other names."""
        return self._plans[DEFAULT]

    def chosen(self, aor: Aor) -> ChosenTable:
        """Give the name of a user's plan, and why it is theirs."""
        return self._scopes_of.choose(self._scopes, aor)

    def plan_of(self, aor: Aor) -> DialPlan:
        """Give a user's plan."""
        return self._plans[self.chosen(aor).name]

    def meant(self, context: str, aor: Aor) -> DialPlan | None:
        """Give the plan that a number's `phone-context` means; None: there is no such plan.

        Args:
            context: In lower case; "" for none.
            aor: Who dials.
        """
        if context in _OWN:
            return self.plan_of(aor)
        return self._by_context.get(context)

    def listed(self, number: str) -> str:
        """Give the tel URI of a number that a directory lists, by the plan of everybody; "" where it makes none of it."""
        return listed(self.usual, number)


_OWN: Final = frozenset({"", USERS_OWN})


def _plan(name: str, one: DialPlanSettings) -> DialPlan:
    rules = tuple(rule.rule() for rule in one.rules)
    return DialPlan(name, rules, one.external_access_prefix, one.optimize_device_dialing)
