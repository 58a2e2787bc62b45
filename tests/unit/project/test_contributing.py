"""Whoever copies an example of CONTRIBUTING.md, or looks for a function that it names, finds what there is today."""

import ast
import builtins
import re
from collections import Counter
from pathlib import Path
from typing import Final

from tests.kit.trees import nodes_of

TOP: Final = Path(__file__).resolve().parents[3]
PAGE: Final = (TOP / "CONTRIBUTING.md").read_text("utf-8")

EXAMPLES: Final = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TEXTS: Final = re.compile(r'"""[\s\S]*?"""|"[^"\n]*"')
CLASS: Final = re.compile(r"(?<![\w.])[A-Z]\w+")
CALLED: Final = re.compile(r"(?<![\w.])([a-z_]\w+)\(")
METHOD: Final = re.compile(r"\.(\w+)\(")
NAMED: Final = re.compile(r"`(_\w+)`")

OF_PYTHON: Final = {*dir(builtins), *dir(str), *dir(Counter), "Counter"}


def _defined() -> set[str]:
    """Give the names of all classes, functions and constants of the product and the kit."""
    found = set[str]()
    for folder in (TOP / "lyncpy", TOP / "tests" / "kit"):
        for file in folder.rglob("*.py"):
            for node in nodes_of(file):
                if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    found.add(node.name)
                elif isinstance(node, ast.AnnAssign | ast.Assign):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    found |= {one.id for one in targets if isinstance(one, ast.Name)}
    return found


def test_examples_and_functions_are_there() -> None:
    """Classes, functions and methods that an example uses, and functions that the page names."""
    texts = [TEXTS.sub("", one) for one in EXAMPLES]
    made = {name for one in texts for name in re.findall(r"def (\w+)", one)}
    used = {name for one in texts for rule in (CLASS, CALLED, METHOD) for name in rule.findall(one)}
    assert len(EXAMPLES) > 2
    assert {"ShellCommand", "Table"} <= used
    assert (used | set(NAMED.findall(PAGE))) - made - _defined() - OF_PYTHON == set()
