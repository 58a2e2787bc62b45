"""News fragments are what an administrator reads of a version, so they keep to its form."""

import re
import tomllib
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).resolve().parents[3]
NEWS: Final = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["towncrier"]
FOLDER: Final = TOP / NEWS["directory"]
KINDS: Final = {kind["directory"] for kind in NEWS["type"]}

SENTENCE_END: Final = re.compile(r"[.!?][\"')]*\s+(?=[\"'`(\[A-Z])")
"""A full stop with a new sentence behind it; `e.g. something` goes on in lower case."""

ONE_SEX: Final = re.compile(r"\b(he|him|his|she|her|hers)\b", re.IGNORECASE)


def test_every_fragment_has_a_kind_and_one_or_two_sentences() -> None:
    """One that has more is two changes, or tells what belongs to the documentation; a `misc` is empty."""
    wrong = []
    for path in sorted(FOLDER.iterdir()):
        if path.name in NEWS["ignore"]:
            continue
        kind = path.suffix.removeprefix(".")
        text = path.read_text(encoding="utf-8").strip()
        sentences = len(SENTENCE_END.split(text)) if text else 0
        if kind not in KINDS:
            wrong.append(f"{path.name}: the kind is one of {', '.join(sorted(KINDS))}")
        elif sentences > 2 or bool(text) == (kind == "misc"):
            wrong.append(f"{path.name}: has {sentences} sentences")
        elif text and not text.endswith((".", ".)")):
            wrong.append(f"{path.name}: does not end with a full stop")
        elif ONE_SEX.search(text):
            wrong.append(f"{path.name}: people are `they`")

    assert not wrong, "\n".join(wrong)
