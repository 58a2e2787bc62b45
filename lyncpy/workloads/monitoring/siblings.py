"""What several processes of one machine say of themselves, gathered by whichever of them was asked.

A page that a program reads comes from one process, at random: it asks the others over the bus, and says of each that does not
answer that it does not.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from twisted.internet.defer import Deferred

from lyncpy.contracts.bus import BusTimeout, IBus, Question
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.questions import HealthOfNode, MetersOfNode, NodeHealth, NodeMeters
from lyncpy.core.conditions import Condition

ANSWER_S: Final = 2.0
"""That another process has to answer: whoever reads the page waits no longer than that."""

METERS_BYTES: Final = 8_388_608
"""The most that another process's meters may have; some hundred thousand are usual."""


@dataclass(frozen=True, slots=True)
class Sibling:
    """A process of this machine."""

    number: int
    node: str
    """"" while it has none."""

    starts: int
    state: str
    """What it does, in words."""


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """How a process is; None: it does not answer."""

    sibling: Sibling
    conditions: Sequence[Mapping[str, str]] | None
    works: bool


class Siblings:
    """All processes of this machine.

    Args:
        bus: Asks the others.
        all_processes: Gives them, this one too.
        meters: Gives the meters of this one, as OpenMetrics text.
        present: Gives what is wrong with this one, the worst first.
    """

    def __init__(
        self,
        bus: IBus,
        all_processes: Callable[[], Sequence[Sibling]],
        meters: Callable[[], bytes],
        present: Callable[[], Sequence[Condition]],
    ) -> None:
        self._bus = bus
        self._all = all_processes
        self._meters = meters
        self._present = present
        bus.answer(MetersOfNode, self._own_meters)
        bus.answer(HealthOfNode, self._own_health)

    async def meters(self) -> bytes:
        """Give the meters of all, each with the number of its process."""
        siblings = self._all()
        texts: dict[int, str] = {}
        for one, answer in zip(siblings, await self._asked(siblings, MetersOfNode()), strict=True):
            with suppress(zlib.error, UnicodeDecodeError):
                if answer is not None:
                    texts[one.number] = zlib.decompressobj().decompress(answer.compressed, METERS_BYTES).decode()
        return joined_meters(texts, siblings).encode()

    async def health(self) -> Sequence[ProcessHealth]:
        """Give how all are."""
        siblings = self._all()
        found = []
        for one, answer in zip(siblings, await self._asked(siblings, HealthOfNode()), strict=True):
            conditions = None if answer is None else _conditions(answer)
            found.append(ProcessHealth(one, conditions, conditions is not None and answer.works))
        return found

    async def _asked(
        self, siblings: Sequence[Sibling], question: Question
    ) -> Sequence[Any]:  # Any: as the bus gives it
        """Ask all at once; None: there is no answer."""

        async def ask(one: Sibling) -> Any:
            try:
                return await self._bus.ask(NodeName(one.node), question, ANSWER_S) if one.node else None
            except BusTimeout:
                return None

        asking = [Deferred.fromCoroutine(ask(one)) for one in siblings]
        try:
            return [await one for one in asking]
        finally:
            # Whoever reads the page may go away.
            for one in asking:
                _ = one.addErrback(lambda _: None)
                one.cancel()

    async def _own_meters(self, question: MetersOfNode) -> NodeMeters:
        return NodeMeters(zlib.compress(self._meters(), 1))

    async def _own_health(self, question: HealthOfNode) -> NodeHealth:
        found = self._present()
        return NodeHealth(json.dumps([told(one) for one in found]), not any(one.reason.grave for one in found))


def told(one: Condition) -> dict[str, str]:
    """Give a condition as programs read it."""
    return {
        "severity": one.severity,
        "concern": one.reason.concern,
        "since": datetime.fromtimestamp(round(one.since), UTC).isoformat().replace("+00:00", "Z"),
        "condition": one.reason.finding,
        "remedy": one.reason.remedy,
    }


def _conditions(answer: NodeHealth) -> Sequence[Mapping[str, str]] | None:
    try:
        return [{str(name): str(value) for name, value in one.items()} for one in json.loads(answer.conditions)]
    except (AttributeError, TypeError, ValueError):
        return None


def health_of(found: Iterable[ProcessHealth]) -> dict[str, object]:
    """Give how all processes are as one document: what several say alike stands there once, with their numbers."""
    processes: list[dict[str, object]] = []
    conditions: dict[tuple[str, ...], dict[str, object]] = {}
    for one in found:
        state = one.sibling.state if one.conditions is None else "ok"
        for told_one in one.conditions or ():
            key = tuple(told_one.get(name, "") for name in ("severity", "concern", "condition", "remedy"))
            known = conditions.setdefault(key, {**told_one, "processes": []})
            numbers = known["processes"]
            if isinstance(numbers, list):
                numbers.append(one.sibling.number)
            state = "error" if "error" in (state, told_one.get("severity", "")) else "warning"
        processes.append({"process": one.sibling.number, "answers": one.conditions is not None, "status": state})
    silent = any(not one["answers"] for one in processes)
    found_states = {str(one["status"]) for one in processes}
    status = "error" if "error" in found_states else "warning" if silent or "warning" in found_states else "ok"
    in_order = sorted(conditions.values(), key=lambda one: one.get("severity") != "error")
    return {"status": status, "processes": processes, "conditions": in_order}


def joined_meters(texts: Mapping[int, str], siblings: Sequence[Sibling]) -> str:
    """Make one OpenMetrics text of those of several processes: each sample has a label more, each family stands together."""
    heads: dict[str, dict[str, str]] = {}
    samples: dict[str, list[str]] = {}
    for number, text in texts.items():
        family = ""
        for line in text.splitlines():
            kind, _, rest = line.removeprefix("# ").partition(" ")
            if line.startswith("# ") and kind in ("HELP", "TYPE", "UNIT"):
                family = rest.split(" ", 1)[0]
                heads.setdefault(family, {}).setdefault(kind, line)
            elif line and not line.startswith("#"):
                samples.setdefault(family, []).append(_labelled(line, number))
    lines = [line for name in heads for line in (*heads[name].values(), *samples.get(name, ()))]
    lines += [
        "# HELP lyncpy_process_answering_count Whether a process of this machine has answered for this page.",
        "# TYPE lyncpy_process_answering_count gauge",
        *(f'lyncpy_process_answering_count{{process="{one.number}"}} {int(one.number in texts)}' for one in siblings),
        "# HELP lyncpy_process_starts How often a process of this machine was started.",
        "# TYPE lyncpy_process_starts counter",
        *(f'lyncpy_process_starts_total{{process="{one.number}"}} {one.starts}' for one in siblings),
        "# EOF",
    ]
    return "".join(f"{line}\n" for line in lines)


def _labelled(line: str, number: int) -> str:
    """Give a sample with the label of its process."""
    label = f'process="{number}"'
    name, brace, rest = line.partition("{")
    if brace and " " not in name:
        return f"{name}{{{label}{'' if rest.startswith('}') else ','}{rest}"
    name, _, value = line.partition(" ")
    return f"{name}{{{label}}} {value}"
