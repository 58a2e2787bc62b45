"""Which gateways a call is tried at, and in which order. Pure.

The routes of a call come one after the other, as they are. Within a route the gateways of the smallest priority come first; of
those that share one, whoever has a weight comes before who has none, by a draw in which a weight twice as large wins twice as
often (RFC 2782), and the others stand in the order of the route.

Spec: RFC 2782, "Priority" and "Weight"; RFC 3261 §21.5.4 (Retry-After).
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Final

from lyncpy.workloads.voice.model.outbound import Attempt

GOES_ON: Final = frozenset({408, 430, 500, 502, 503, 504, 513})
"""Answers of a gateway, or in its place, after which another one may still reach the callee."""

RESTS_MOST_S: Final = 3600.0
"""The longest time for which a gateway is believed that it wants no calls."""

RESTS_S: Final = 10.0
"""For how long one is left alone that does not say."""


@dataclass(frozen=True, slots=True)
class GatewayState:
    """What is known of a gateway at the moment."""

    priority: int = 0
    weight: int = 0
    is_up: bool = True
    calls: int = 0
    calls_most: int = 1
    rests_until: float = 0.0
    """Monotonic seconds until which it wants no calls."""

    def is_usable(self, now: float) -> bool:
        """Tell whether a call may be tried there."""
        return self.is_up and self.calls < self.calls_most and now >= self.rests_until


def in_order(
    attempts: Sequence[Attempt], states: Mapping[str, GatewayState], now: float, draw: Callable[[float], float]
) -> Sequence[Attempt]:
    """Give the attempts that can be made, in the order in which they are; each gateway with the same number once.

    Args:
        attempts: By routes.
        states: By gateway; one that is not there cannot be called.
        now: Monotonic seconds.
        draw: Gives a number from 0 to below its argument.
    """
    ordered: list[Attempt] = []
    for _, group in groupby(attempts, key=lambda one: one.route):
        usable = [one for one in group if one.gateway in states and states[one.gateway].is_usable(now)]
        usable.sort(key=lambda one: states[one.gateway].priority)
        for _, same in groupby(usable, key=lambda one: states[one.gateway].priority):
            ordered += _drawn(list(same), states, draw)
    known: set[tuple[str, str]] = set()
    once: list[Attempt] = []
    for one in ordered:
        if (one.gateway, one.called) not in known:
            known.add((one.gateway, one.called))
            once.append(one)
    return once


def _drawn(
    attempts: Sequence[Attempt], states: Mapping[str, GatewayState], draw: Callable[[float], float]
) -> Sequence[Attempt]:
    """Put gateways of one priority in order: by lot, as their weights have it, then those without."""
    left = [one for one in attempts if states[one.gateway].weight]
    drawn: list[Attempt] = []
    while left:
        sums = [*accumulate(float(states[one.gateway].weight) for one in left)]
        drawn.append(left.pop(bisect_right(sums, draw(sums[-1]))))
    return (*drawn, *(one for one in attempts if not states[one.gateway].weight))


def rest_s(status: int, retry_after: int | None) -> float:
    """Give for how many seconds a gateway is left alone that has refused a call so; 0: it may be called again."""
    if status != 503:
        return 0.0
    return RESTS_S if retry_after is None else min(float(retry_after), RESTS_MOST_S)
