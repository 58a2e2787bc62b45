"""How a probe went: a line and a status as plug-ins of Nagios have them, and samples for Prometheus. Pure."""

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lyncpy.sip.plain import clean


class ProbeStatus(enum.IntEnum):
    """The exit status of a plug-in."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3
    """It could not be asked: the probe itself was set up wrongly."""


class ProbeFailed(Exception):
    """A step failed.

    Args:
        words: What happened, in a sentence without a full stop.
        remedy: What to do.
        status: CRITICAL where it is the server's, UNKNOWN where it is the probe's own.
    """

    def __init__(self, words: str, remedy: str = "", status: ProbeStatus = ProbeStatus.CRITICAL) -> None:
        super().__init__(words)
        self.words = words
        self.remedy = remedy
        self.status = status


@dataclass(frozen=True, slots=True)
class ProbeTerms:
    """From when on a probe that did all is no success."""

    warning_s: float | None = None
    critical_s: float | None = None
    certificate_days: float = 14.0
    """Days before its end from which on the server's certificate is a warning."""


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """How one probe went."""

    probe: str
    server: str
    words: str
    """What was done, or what the first step that failed met."""

    steps: Sequence[tuple[str, float]] = ()
    """Each step with its seconds, in order; the last is the one that failed, if one did."""

    failed: ProbeStatus = ProbeStatus.OK
    remedy: str = ""
    certificate_s: float | None = None
    """Seconds until the server's certificate ends; None: none was seen."""

    @property
    def total_s(self) -> float:
        """How long all of it took."""
        return sum(seconds for _, seconds in self.steps)


def judged(outcome: ProbeOutcome, terms: ProbeTerms) -> tuple[ProbeStatus, str]:
    """Give the status, and what there is to say."""
    if outcome.failed:
        at = f"{outcome.steps[-1][0]}: " if outcome.steps else ""
        remedy = f"; {outcome.remedy}" if outcome.remedy else ""
        return outcome.failed, f"{at}{outcome.words}{remedy}"
    status, notes = ProbeStatus.OK, []
    for limit, reached in ((terms.warning_s, ProbeStatus.WARNING), (terms.critical_s, ProbeStatus.CRITICAL)):
        if limit is not None and outcome.total_s > limit:
            status, notes = reached, [f"which is more than {limit:g} s"]
    days = None if outcome.certificate_s is None else outcome.certificate_s / 86_400
    if days is not None and days < terms.certificate_days:
        status = max(status, ProbeStatus.WARNING)
        notes.append(f"the server's certificate ends in {days:.1f} days: have it renewed")
    return status, "; ".join([f"{outcome.words} in {outcome.total_s:.3f} s", *notes])


def nagios_line(outcome: ProbeOutcome, terms: ProbeTerms) -> str:
    """Write the one line of a plug-in: what was found, a bar, and the durations."""
    status, words = judged(outcome, terms)
    limits = ";".join("" if one is None else f"{one:g}" for one in (terms.warning_s, terms.critical_s))
    data = [f"total={outcome.total_s:.4f}s;{limits};0"]
    data += [f"{_label(name)}={seconds:.4f}s" for name, seconds in outcome.steps]
    if outcome.certificate_s is not None:
        data.append(f"certificate={outcome.certificate_s / 86_400:.2f};{terms.certificate_days:g}:;0:")
    text = clean(words).replace("|", "/")
    return f"LYNCPY {outcome.probe.upper()} {status.name} - {text} | {' '.join(data)}\n"


def prometheus(outcome: ProbeOutcome, terms: ProbeTerms) -> str:
    """Write the samples of one probe, in the form of a textfile collector."""
    status, _ = judged(outcome, terms)
    labels = f'probe="{_quoted(outcome.probe)}",server="{_quoted(outcome.server)}"'
    rows: list[tuple[str, str, Iterator[str]]] = [
        (
            "success",
            "Whether the probe did all that it wanted.",
            iter([f"{{{labels}}} {int(not outcome.failed)}"]),
        ),
        ("status", "0 ok, 1 warning, 2 critical, 3 unknown.", iter([f"{{{labels}}} {int(status)}"])),
        ("duration_seconds", "How long all of it took.", iter([f"{{{labels}}} {outcome.total_s:.6f}"])),
        (
            "step_seconds",
            "How long each step took.",
            (f'{{{labels},step="{_quoted(name)}"}} {seconds:.6f}' for name, seconds in outcome.steps),
        ),
    ]
    if outcome.certificate_s is not None:
        sample = f"{{{labels}}} {outcome.certificate_s:.0f}"
        rows.append(("certificate_seconds", "Until the server's certificate ends.", iter([sample])))
    lines = []
    for short, text, samples in rows:
        name = f"lyncpy_probe_{short}"
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", *(f"{name}{sample}" for sample in samples)]
    return "\n".join(lines) + "\n"


def _label(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def _quoted(text: str) -> str:
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')
