"""What `lyncpy check` finds in the section [voice]: rules that never decide anything, or fit the same numbers, and names of what there is not."""

from collections.abc import Iterator, Sequence
from typing import Final

from lyncpy.contracts.finding import Finding
from lyncpy.contracts.networks import address_of
from lyncpy.workloads.voice.model.dialplan import Rule
from lyncpy.workloads.voice.model.overlap import Bearing, overlap
from lyncpy.workloads.voice.model.patterns import read_pattern
from lyncpy.workloads.voice.settings import GatewaySettings, Settings

SHARED_MOST: Final = 5
"""Rules of a plan that fit the same numbers as one before, which are told; more would be read by nobody."""


def voice_findings(settings: Settings) -> Iterator[Finding]:
    """Look at each list of rules in which the first that fits decides, and at what policies, routes and trunks say of each other."""
    for name, plan in settings.dial_plans.items():
        yield from _rules_findings(f"[voice.dial_plans.{name}]", [one.rule() for one in plan.rules])
    yield from _policy_findings(settings)
    yield from _route_findings(settings)
    yield from _trunk_findings(settings)
    plans = {name.lower() for name in settings.dial_plans}
    for name, gateway in settings.gateways.items():
        yield from _gateway_findings(f"[voice.gateways.{name}]", gateway, plans)


def _policy_findings(settings: Settings) -> Iterator[Finding]:
    given = {usage for route in settings.routes.values() for usage in route.usages}
    for name, policy in settings.policies.items():
        for usage in policy.usages:
            if usage not in given:
                yield Finding(good=False, sentence=f'[voice.policies.{name}]: no route has the usage "{usage}"')
        yield from _hidden_routes(settings, name)


def _route_findings(settings: Settings) -> Iterator[Finding]:
    used = {usage for policy in settings.policies.values() for usage in policy.usages}
    for name, route in settings.routes.items():
        where = f"[voice.routes.{name}]"
        if not route.gateways:
            yield Finding(good=False, sentence=f"{where}: names no gateway, so that nobody is called by it")
        for gateway in route.gateways:
            if gateway not in settings.gateways:
                known = ", ".join(list(settings.gateways)[:SHARED_MOST]) or "none"
                sentence = f"{where} gateways: there is no [voice.gateways.{gateway}] (there is {known}): add it, or correct the name"
                yield Finding(good=False, sentence=sentence)
        if used.isdisjoint(route.usages):
            yield Finding(good=False, sentence=f"{where}: no policy has one of its usages; nobody is called by it")
        if overlap((), read_pattern(route.pattern)).bearing is Bearing.EMPTY:
            yield Finding(good=False, sentence=f"{where}: its pattern fits no number")


def _trunk_findings(settings: Settings) -> Iterator[Finding]:
    named = {gateway for route in settings.routes.values() for gateway in route.gateways}
    for name, trunk in settings.trunks.items():
        if name not in named:
            yield Finding(good=False, sentence=f"[voice.trunks.{name}]: no route names a gateway of this name")
        for kind, rules in (("called", trunk.called), ("calling", trunk.calling)):
            if rules:
                yield from _rules_findings(f"[voice.trunks.{name}] {kind}", [one.rule() for one in rules])


def _gateway_findings(where: str, gateway: GatewaySettings, plans: set[str]) -> Iterator[Finding]:
    if not is_name(gateway.address) and address_of(gateway.address) is None:
        sentence = f'{where} address: "{gateway.address}" is no address and no name of DNS: write the port, if it has one, as port'
        yield Finding(good=False, sentence=sentence)
    if gateway.dial_plan and gateway.dial_plan.lower() not in {"default", *plans}:
        sentence = f"{where} dial_plan: there is no [voice.dial_plans.{gateway.dial_plan}]: add it, or correct the name"
        yield Finding(good=False, sentence=sentence)
    for setting, value in (("authority", gateway.authority), ("certificate_name", gateway.certificate_name)):
        if value and gateway.transport != "tls":
            sentence = f'{where} {setting}: counts for TLS alone, and transport is "{gateway.transport}": set transport = "tls", or remove it'
            yield Finding(good=False, sentence=sentence)


def is_name(address: str) -> bool:
    """Tell whether what names a gateway can be a name of DNS."""
    return ":" not in address and address_of(address) is None


def _hidden_routes(settings: Settings, name: str) -> Iterator[Finding]:
    """Find the routes of a policy that are never asked, since a usage before theirs has one for each number."""
    before: list[str] = []
    for usage in settings.policies[name].usages:
        mine = [one for one, route in settings.routes.items() if usage in route.usages]
        for one in mine:
            told = overlap(
                [read_pattern(settings.routes[other].pattern) for other in before],
                read_pattern(settings.routes[one].pattern),
            )
            if one not in before and told.bearing is Bearing.HIDDEN:
                yield Finding(
                    good=True,
                    sentence=f'[voice.policies.{name}]: the route "{one}" of the usage "{usage}" is never asked:'
                    f' usages before it have "{before[told.by]}" for {told.example}, and others for all else',
                )
        before += mine


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
