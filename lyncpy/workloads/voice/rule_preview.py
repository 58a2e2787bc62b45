"""`voice rules`: what a user's rules make of a call, second by second, without calling anybody."""

from collections.abc import Iterator, Sequence
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, Flag, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.core.flags import count_flag
from lyncpy.workloads.voice.call_decisions import CallDecisions, CallFacts
from lyncpy.workloads.voice.model.call_rules import DEVICES, CallPlan, Target, TargetKind
from lyncpy.workloads.voice.model.call_walk import CallEffect, answered, begin, expire, given_up, in_words

_LONGEST_S: Final = 600
_GIVES_UP: Final = "gives-up"


class RulePreview:
    """Goes through the decision table for operators.

    Args:
        people: Everybody.
        locator: Says who is signed in: whoever is not answers 480 at once.
        decisions: Says what becomes of a call.
    """

    def __init__(self, people: IPeople, locator: ILocator, decisions: CallDecisions) -> None:
        self._people = people
        self._locator = locator
        self._decisions = decisions

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the commands."""

        def known() -> Sequence[str]:
            return addresses(self._people)

        return (
            ShellCommand(
                "voice rules",
                "What a user's call handling rules make of a call that nobody answers; nobody is called.",
                self.rules,
                args=(
                    Arg("user", "who is called: an address or a login", choices=known),
                    Arg("caller", "who calls", choices=known),
                ),
                flags=(Flag(_GIVES_UP, "the caller gives up after so many seconds", takes="SECONDS"),),
                form=form("after:seconds what value"),
            ),
        )

    async def rules(self, asked: CommandCall) -> Table:
        """Show who would ring when."""
        callee = person_named(self._people, asked.args["user"])
        caller = person_named(self._people, asked.args["caller"])
        until = count_flag(asked.flags, _GIVES_UP, _LONGEST_S, _LONGEST_S)
        try:
            published = await self._decisions.rules.rules_for(callee.aor, caller.aor)
        except (Refused, StoreUnavailable) as error:
            raise CommandFailed(f"what {bare(callee.aor)} has published cannot be read now: {error}") from error
        if published.is_blocked:
            rows: list[tuple[object, ...]] = [(0.0, "blocked", bare(caller.aor))]
            return Table(("after", "what", "value"), rows, note="who is blocked hears that the user is offline")
        decided = self._decisions.plan(callee.aor, published, CallFacts(self._decisions.callers(caller.aor)))
        away = {one for stage in decided.stages for one in stage.targets if await self._is_away(callee.aor, one)}
        told = [(at, *in_words(effect)) for at, effect in unanswered(decided, frozenset(away), float(until))]
        return Table(("after", "what", "value"), told)

    async def _is_away(self, callee: Aor, target: Target) -> bool:
        """Tell whether a person has no device that is signed in."""
        if target == DEVICES:
            return not await self._locator.endpoints(callee)
        return target.kind is TargetKind.PERSON and not await self._locator.endpoints(aor_of(target.address))


def unanswered(decided: CallPlan, away: frozenset[Target], until: float) -> Iterator[tuple[float, CallEffect]]:
    """Give what is done, and when, where nobody answers but who is away, until the caller gives up."""
    now = 0.0
    walk, effects = begin(decided, now)
    while True:
        yield from ((now, effect) for effect in effects)
        until_next = walk.deadline
        if until_next is None:
            return
        gone = next((one for one in walk.ringing if one in away), None)
        if gone is not None:
            walk, effects = answered(walk, gone, 480, now)
        elif until_next > until:
            now = until
            walk, effects = given_up(walk)
        else:
            now = until_next
            walk, effects = expire(walk, now)
