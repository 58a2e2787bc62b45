"""A hunt for messages that cost too much: a part is made longer, and what that costs is compared.

Two things are looked for: work that grows faster than its input, and errors that no reader
declares. Where work does not grow, what one byte costs is noted, and the dearest of each kind is
told. What was found is kept in `tests/corpus/cost`, which `tests/properties/test_costs.py`
plays again.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.kit import surface
from tests.kit.costs import cpu
from tests.kit.growth import Growth, Specimen, as_plain, from_plain
from tests.kit.readers import DECLARED, READERS
from tests.kit.roads import ROADS, Scene, changed_to

CORPUS: Final = Path(__file__).parents[1] / "corpus" / "cost"

SMALL: Final = 4_000
"""Letters that a message grows by at first."""

STEPS: Final = 2
"""How often that is made four times as many, at most: a body of 64 kB, and a head of 16."""

FLOOR_S: Final = 0.02
"""Work below it is no matter."""

ALLOWED: Final = 9.0
"""How many times the work may become when its input becomes four times as long: half way to a square."""


@dataclass(frozen=True, slots=True)
class Case:
    """A message and what of it grows."""

    kind: str
    """ "road" or "reader"."""

    name: str
    specimen: Specimen
    growths: tuple[Growth, ...]

    def cost(self, letters: int) -> float:
        """Give the seconds of processor time that it takes when it has so many letters more."""
        grown = self.specimen.grown(self.growths, letters)
        if self.kind == "reader":
            return cpu(lambda: read(self.name, grown.body), 1)
        scene = Scene()
        try:
            return scene.cost(self.name, changed_to(grown))
        finally:
            scene.close()

    def best(self, letters: int, tries: int = 3) -> float:
        """Give the least of several tries: a busy machine makes each longer, and none shorter."""
        return min(self.cost(letters) for _ in range(tries))

    @property
    def sizes(self) -> list[int]:
        """How long it is made, one after the other; a head has to be read at all."""
        steps = STEPS if all(growth.where == "body" for growth in self.growths) else STEPS - 1
        return [SMALL * 4**step for step in range(steps + 1)]

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "head": self.specimen.head,
            "body": self.specimen.body,
            "growths": as_plain(self.growths),
        }

    @classmethod
    def of_plain(cls, found: dict[str, Any]) -> "Case":
        """Read what `plain` gave."""
        specimen = Specimen(found["head"], found["body"])
        return cls(found["kind"], found["name"], specimen, from_plain(found["growths"]))


@dataclass(slots=True)
class Found:
    """What a hunt brought."""

    tries: int = 0
    steep: list[tuple[float, Case]] = field(default_factory=list)
    """How many times the work became, and of what."""

    errors: list[tuple[str, Case]] = field(default_factory=list)
    dearest: dict[str, tuple[float, Case]] = field(default_factory=dict)
    """By kind and name: microseconds for each letter."""


def read(name: str, text: str) -> object:
    """Have a reader read; that it says no is an answer."""
    try:
        return READERS[name][1](text)
    except DECLARED as refused:
        return refused


def steepness(case: Case) -> float:
    """Give how many times the work becomes at the steepest step; 0 below the floor.

    What is refused when it is long costs less there, and is no matter.
    """
    steepest, before = 0.0, None
    for letters in case.sizes:
        cost = case.cost(letters)
        if before is not None and cost > FLOOR_S and cost / max(before, 0.002) > ALLOWED:
            # Once more, and more carefully.
            least = case.best(letters)
            if least > FLOOR_S:
                steepest = max(steepest, least / max(case.best(letters // 4), 0.002))
        before = cost
    return steepest


def specimens() -> dict[tuple[str, str], Specimen]:
    """Give a message for each reader and each road."""
    found = {("reader", name): Specimen("", text) for name, (text, _) in READERS.items()}
    scene = Scene()
    for name in ROADS:
        found["road", name] = scene.specimen(name)
    scene.close()
    return found


def hunt(chance: Random, until: Callable[[], bool], only: str = "", told: Callable[[str], None] = print) -> Found:
    """Try one case after the other."""
    found, known = Found(), specimens()
    chosen = [key for key in known if only in f"{key[0]} {key[1]}"]
    while not until():
        kind, name = chance.choice(chosen)
        specimen = known[kind, name]
        case = Case(kind, name, specimen, specimen.growths(chance))
        found.tries += 1
        try:
            steep = steepness(case)
        except Exception as error:  # what no reader declares is what is looked for
            found.errors.append((repr(error)[:200], case))
            told(f"ERROR {kind} {name}: {error!r} {case.growths}")
            continue
        if steep > ALLOWED:
            found.steep.append((steep, case))
            told(f"STEEP {kind} {name}: {steep:.1f} times the work of a quarter; {_short(case)}")
        largest = case.sizes[-1]
        each = case.cost(largest) / largest * 1e6
        if each > 2 * found.dearest.get(f"{kind} {name}", (0.0, case))[0]:
            each = case.best(largest) / largest * 1e6
        if each > found.dearest.get(f"{kind} {name}", (0.0, case))[0]:
            found.dearest[f"{kind} {name}"] = each, case
    return found


def _short(case: Case) -> str:
    return "; ".join(f"{one.where} at {one.at}: {one.part[:60]!r}{' numbered' * one.numbered}" for one in case.growths)


def kept() -> Iterator[tuple[str, Case]]:
    """Give the cases of the corpus, by the names of their files."""
    for path in sorted(CORPUS.glob("*.json")):
        yield path.stem, Case.of_plain(json.loads(path.read_text()))


def keep(cases: Iterable[Case]) -> None:
    """Put cases into the corpus, each under what it is about."""
    CORPUS.mkdir(exist_ok=True)
    for case in cases:
        stem = f"{case.kind}-{case.name}".replace(" ", "-").replace("'", "")
        number = next(n for n in range(1, 1000) if not (CORPUS / f"{stem}-{n}.json").exists())
        (CORPUS / f"{stem}-{number}.json").write_text(json.dumps(case.plain, indent=1, ensure_ascii=True) + "\n")


def _spoil(chance: Random, count: int, *, kept: bool) -> int:
    """Spoil whatever proves somebody, and tell; 1 when something was found."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, surface.realm(Path(folder)) as where:
        told = surface.many_cases(chance, count, where, lambda line: print(line, flush=True))
    for name, cost in sorted(told.dearest.items(), key=lambda item: -item[1]):
        print(f"{cost * 1e3:8.2f} ms at most: {name}")
    print(f"{told.tries} cases, {len(told.errors)} errors, {len(told.dear)} above {surface.CASE_S * 1e3:.0f} ms")
    if kept:
        surface.keep([case for _, case in (*told.errors, *told.dear)])
    return 1 if told.errors or told.dear else 0


def main(words: list[str]) -> int:
    """Hunt for a while, and tell; 1 when something was found."""
    import argparse  # noqa: PLC0415 - only the script needs it

    options = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0, help="how long; 60 when left out")
    options.add_argument("--seed", type=int, default=1, help="the same seed tries the same cases in the same order")
    options.add_argument("--only", default="", help="only readers and roads that contain this, as 'road publish'")
    options.add_argument("--keep", action="store_true", help="put what was found into tests/corpus/cost")
    options.add_argument(
        "--cases",
        type=int,
        default=0,
        help="spoil so many tokens and SOAP bodies of sign-ins instead; a million takes an hour",
    )
    options.add_argument("--dearest", action="store_true", help="the dearest of each kind too")
    asked = options.parse_args(words)
    if asked.cases:
        return _spoil(Random(asked.seed), asked.cases, kept=asked.keep)
    end = time.monotonic() + asked.seconds
    found = hunt(Random(asked.seed), lambda: time.monotonic() >= end, asked.only)
    dearest = sorted(found.dearest.items(), key=lambda item: -item[1][0])
    for name, (each, case) in dearest[:12]:
        print(f"{each:8.2f} µs a letter: {name}; {_short(case)}")
    print(f"{found.tries} messages tried, {len(found.steep)} too steep, {len(found.errors)} errors")
    if asked.keep:
        keep([case for _, case in (*found.steep, *found.errors)])
    if asked.dearest:
        keep(case for _, (_, case) in dearest)
    return 1 if found.steep or found.errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
