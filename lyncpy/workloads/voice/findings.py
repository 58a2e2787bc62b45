"""What `lyncpy check` finds in the section [voice]: rules that never decide anything, and rules that fit the same numbers."""

from collections.abc import Iterator, Sequence
from typing import Final

from lyncpy.contracts.finding import Finding
from lyncpy.workloads.voice.model.dialplan import Rule
from lyncpy.workloads.voice.model.overlap import Bearing, overlap
from lyncpy.workloads.voice.settings import Settings

SHARED_MOST: Final = 5
"""Rules of a plan that fit the same numbers as one before, which are told; more would be read by nobody."""


def voice_findings(settings: Settings) -> Iterator[Finding]:
    """Look at each list of rules in which the first that fits decides."""
    for name, plan in settings.dial_plans.items():
        yield from _rules_findings(f"[voice.dial_plans.{name}]", [one.rule() for one in plan.rules])


def _rules_findings(where: str, rules: Sequence[Rule]) -> Iterator[Finding]:
    faults, shared = 0, 0
    for number, rule in enumerate(rules):
        told = overlap([one.pattern for one in rules[:number]], rule.pattern)
        named = f'{where} rule {number + 1}, "{rule.name}"'
        if told.bearing is Bearing.EMPTY:
            faults += 1
            yield Finding(good=False, sentence=f"{named}: fits no number; correct its pattern, or take it out")
        elif told.bearing is Bearing.HIDDEN:
            faults += 1
            yield Finding(
                good=False,
                sentence=f"{named}: never decides anything: rules before it fit all that it fits,"
                f' as "{rules[told.by].name}" fits {told.example}; move it before them, or take it out',
            )
        elif told.bearing is Bearing.SHARED and (shared := shared + 1) <= SHARED_MOST:
            yield Finding(
                good=True,
                sentence=f'{named}: fits {told.example} as "{rules[told.by].name}" before it does, which decides',
            )
        if not rule.pattern.is_whole:
            yield Finding(
                good=True,
                sentence=f"{named}: fits also what only holds such a number; begin it with ^ and end it with $ unless that is meant",
            )
    if not faults:
        yield Finding(good=True, sentence=f"{where}: each of {len(rules)} rules decides something")
