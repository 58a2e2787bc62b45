"""Samples of this server's meters, every ten seconds, and the word that shows them."""

import time
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandReach, Flag, ShellCommand, Table
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import Slices
from lyncpy.core.timestamps import moment
from lyncpy.workloads.monitoring.model import NAMES, STEP_S, History, Sample

COLUMNS: Final = ("at", *NAMES)
_DIGITS: Final = 4
ROWS_AT_ONCE: Final = 200
"""Written in one turn: a millisecond."""


class Sampler:
    """Takes samples for as long as it is open.

    Args:
        meter: Whose numbers they are.
        timers: The clock; samples of several servers are of the same moments, if their clocks agree.
    """

    def __init__(self, meter: IMeter, timers: ITimers) -> None:
        self._meter = meter
        self._timers = timers
        self._next = Deadline(timers, self._due)
        self._history = History()
        self._is_open = False
        self._began = 0.0
        self._counted: tuple[float, ...] = ()

    def open(self) -> None:
        """Begin."""
        self._is_open = True
        self._began, self._counted = self._timers.now(), self._counts()
        self._wait()

    def close(self) -> None:
        """Take no samples any more."""
        self._is_open = False
        self._next.clear()

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the shell's word."""
        rows = "at:time " + " ".join(f"{name}:number" for name in NAMES)
        return (
            ShellCommand(
                "history",
                "What the server did in the last hour, every ten seconds: people, messages, presence, sign-ins, refusals.",
                self.shown,
                flags=(Flag("day", "the last day, every five minutes"),),
                reach=CommandReach.EVERYWHERE,
                form=form(rows),
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """List the samples, oldest first."""
        found = self._history.day() if "day" in asked.flags else self._history.hour()
        rows, slices = [], Slices(self._timers, ROWS_AT_ONCE)
        for at, sample in found:
            rows.append((moment(at), *(round(value, _DIGITS) for value in _values(sample))))
            await slices.spend()
        return Table(COLUMNS, rows, note="" if rows else "the first sample is taken within ten seconds of the start")

    def _wait(self) -> None:
        self._next.set(STEP_S - self._timers.wall() % STEP_S)

    def _due(self) -> None:
        now, counted = self._timers.now(), self._counts()
        elapsed_s = now - self._began
        # A timer may be a little early: then the step is as good as over.
        if elapsed_s > 0:
            rates = [max(0.0, (new - old) / elapsed_s) for new, old in zip(counted, self._counted, strict=True)]
            self._began, self._counted = now, counted
            self._history.add(self._end(), self._sample(*rates))
        if self._is_open:
            self._wait()

    def _end(self) -> float:
        """Give the end of the step, the same at all servers."""
        return round(self._timers.wall() / STEP_S) * float(STEP_S)

    def _counts(self) -> tuple[float, ...]:
        """Give what only grows, in the order of `_sample`."""
        value = self._meter.value
        return (
            value("lyncpy_core_answer_seconds", method="MESSAGE"),
            value("lyncpy_presence_fanout_seconds"),
            value("lyncpy_core_signins_total"),
            value("lyncpy_core_refusals_total"),
            # Not getrusage, which looks at all of the memory as well.
            time.process_time(),
        )

    def _sample(self, messages: float, presence: float, sign_ins: float, refusals: float, processor: float) -> Sample:
        value = self._meter.value
        return Sample(
            people=value("lyncpy_registrar_people_count"),
            devices=value("lyncpy_registrar_endpoints_count"),
            conferences=value("lyncpy_conferencing_meetings_count"),
            messages_s=messages,
            presence_s=presence,
            sign_ins_s=sign_ins,
            refusals_s=refusals,
            processor=processor,
            loop_delay_s=value("lyncpy_core_loop_delay_seconds"),
        )


def _values(one: Sample) -> tuple[float, ...]:
    """Give the numbers in the order of the columns."""
    return (
        one.people,
        one.devices,
        one.conferences,
        one.messages_s,
        one.presence_s,
        one.sign_ins_s,
        one.refusals_s,
        one.processor,
        one.loop_delay_s,
    )
