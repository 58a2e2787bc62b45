"""Every table has a bound: what objects keep is compared with a list in which each has its sentence."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.app.config import Sections
from tests.kit.trees import nodes_of

SOURCE = Path(__file__).parents[2] / "lyncpy"
_FILE = tomllib.loads((SOURCE / "app/tables.toml").read_text(encoding="utf-8"))
SHARES: dict[str, str] = _FILE.pop("shares")
"""Bound → what one user, device or address may have of it; or why nobody outside can make it grow for others."""

LISTED: dict[str, str] = _FILE
KEEPS = {
    "dict", "set", "list", "deque", "OrderedDict", "Counter", "defaultdict", "bytearray", "Strangers", "StrangersByNetwork", "Shares",
}  # fmt: skip
"""What grows. With an argument the first ones are copies of something that is there already."""

ALWAYS = {"deque", "Strangers", "Shares"}


def _grows(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.List | ast.Set):
        return not value.elts
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return False
    return value.func.id in KEEPS and (not value.args or value.func.id in ALWAYS)


def _tables() -> Iterator[str]:
    for file in sorted(SOURCE.rglob("*.py")):
        module = ".".join(file.relative_to(SOURCE).with_suffix("").parts)
        for cls in nodes_of(file):
            if not isinstance(cls, ast.ClassDef):
                continue
            for body in cls.body:
                if isinstance(body, ast.FunctionDef) and body.name == "__init__":
                    yield from (f"{module}.{cls.name}.{name}" for name in _kept(body))


def _kept(body: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(body):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if _grows(value):
            yield from (
                target.attr
                for target in targets
                if isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == "self"
            )


def test_every_table_is_listed_with_its_bound() -> None:
    """A new table without a bound is found here: bound it, with a share for each user, and write both down."""
    found = set(_tables())
    assert found - LISTED.keys() == set(), "give it a bound, and a line in lyncpy/app/tables.toml"
    assert LISTED.keys() - found == set(), "it is gone: so should be its line in lyncpy/app/tables.toml"
    assert len(found) > 150


def test_every_bound_has_a_share_or_the_reason_why_it_needs_none() -> None:
    """A bound in total alone belongs to whoever is quickest: "share: …" says what is one owner's, "none: …" why not."""
    bounds = set(LISTED.values())
    assert bounds - SHARES.keys() == set(), "give it a share, or a reason, in [shares] of lyncpy/app/tables.toml"
    assert SHARES.keys() - bounds == set(), "no table has this bound: so should its share go"
    for bound, share in SHARES.items():
        kind, _, words = share.partition(": ")
        assert kind in ("share", "none"), bound
        assert len(words.split()) > 2, bound
        assert kind == "none" or re.search(r"\[\w+\] \w+|constant|what the others leave", words), (
            f"{bound}: name the setting"
        )


@pytest.mark.parametrize("sentence", sorted({*LISTED.values(), *SHARES.values()}))
def test_a_bound_names_settings_that_there_are(sentence: str) -> None:
    """An operator finds each of them in lyncpy.toml."""
    assert sentence.strip()
    for section, keys in re.findall(r"\[(\w+)\] ([a-z_0-9]+(?:, [a-z_0-9]+)*)", sentence):
        settings = Sections.model_fields[section].annotation
        assert settings is not None
        for key in keys.split(", "):
            assert key in settings.model_fields, f"[{section}] {key}"
