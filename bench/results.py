"""A run's results, as they are kept: one JSON file for a machine and a date."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.piece import Quiet
from bench.rounds import Rounds, Row

KEPT: Final = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured, when, and on what."""

    form: str
    """quick, whole or tiny."""

    at: str
    machine: Mapping[str, str]
    rows: Sequence[Row]
    quiet: Sequence[Quiet]
    stages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Operation → stage → microseconds of each operation."""

    @classmethod
    def of(cls, form: str, machine: Mapping[str, str], rounds: Rounds) -> "Results":
        """Take what a run has measured just now."""
        at = datetime.now(UTC).isoformat(timespec="minutes")
        return cls(form, at, machine, [row for row in rounds.rows if row.values], rounds.quiet, rounds.stages)

    def place(self) -> Path:
        """Give where they are kept: a file for a machine and a day."""
        name = re.sub(r"[^a-z0-9]+", "-", f"{self.machine['processor']} {self.form}".lower()).strip("-")
        return KEPT / f"{self.at[:10]}-{name}.json"

    def write(self, path: Path) -> None:
        """Write them."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = _rounded(asdict(self))
        # A line for each of what there are many of: a change can be read.
        lists = {name: _lines(kept.pop(name)) for name in ("rows", "quiet")}
        text = json.dumps(kept, indent=1, ensure_ascii=False).removesuffix("\n}")
        path.write_text(
            text + "".join(f',\n "{name}": {lines}' for name, lines in lists.items()) + "\n}\n", encoding="utf-8"
        )

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read them."""
        found = json.loads(path.read_text(encoding="utf-8"))
        found["rows"] = [Row(**row) for row in found["rows"]]
        found["quiet"] = [Quiet(**quiet) for quiet in found["quiet"]]
        return cls(**found)


def _rounded(value: Any) -> Any:  # Any: whatever JSON has
    """Keep as many digits as say something: a file of a thousand numbers is read, too."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value


def _lines(values: Sequence[Any]) -> str:  # Any: as above
    return "[\n  " + ",\n  ".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n ]"
