"""What a server has done in the last hour and the last day, as numbers by time. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final

STEP_S: Final = 10
HOUR: Final = 360
"""Samples of the last hour."""

STEPS_OF_DAY: Final = 30
DAY: Final = 288
"""Of the last day there is one for each five minutes."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How a server was, and what it did in each second, during one step."""

    people: float = 0.0
    devices: float = 0.0
    conferences: float = 0.0
    messages_s: float = 0.0
    presence_s: float = 0.0
    """Changes of presence of which all watchers were told."""

    sign_ins_s: float = 0.0
    """Those that failed, too."""

    refusals_s: float = 0.0
    processor: float = 0.0
    """Of one processor, 0 to 1."""

    loop_delay_s: float = 0.0
    """The worst delay of the event loop in the last minute."""


NAMES: Final = tuple(one.name for one in fields(Sample))
_WORST: Final = frozenset({"loop_delay_s"})
"""Of these the largest counts in a longer step, not the mean."""


class History:
    """The samples of an hour and of a day, each a fixed number: the oldest goes."""

    def __init__(self) -> None:
        self._hour: deque[tuple[float, Sample]] = deque(maxlen=HOUR)
        self._day: deque[tuple[float, Sample]] = deque(maxlen=DAY)
        self._gathered: list[Sample] = []

    def add(self, at: float, sample: Sample) -> None:
        """Add what was in the step that ends now.

        Args:
            at: Its end, in wall-clock seconds.
            sample: Of this step.
        """
        self._hour.append((at, sample))
        self._gathered.append(sample)
        if len(self._gathered) >= STEPS_OF_DAY or not at % (STEPS_OF_DAY * STEP_S):
            self._day.append((at, summed_up(self._gathered)))
            self._gathered.clear()

    def hour(self) -> Sequence[tuple[float, Sample]]:
        """Give the samples of the last hour, oldest first."""
        return tuple(self._hour)

    def day(self) -> Sequence[tuple[float, Sample]]:
        """Give those of the last day, oldest first; of the last minutes what is there so far."""
        rest = [(self._hour[-1][0], summed_up(self._gathered))] if self._gathered else []
        return (*self._day, *rest)


def summed_up(samples: Sequence[Sample]) -> Sample:
    """Make one sample of several, which are at least one."""
    columns = zip(*map(astuple, samples), strict=True)
    pairs = zip(NAMES, columns, strict=True)
    return Sample(*(max(column) if name in _WORST else sum(column) / len(column) for name, column in pairs))
