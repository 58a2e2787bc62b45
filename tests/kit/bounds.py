"""Which tests have to do with how old the libraries are, and how few of them tell it.

`constraints/` has two versions of a library, or one: Twisted's newest is the oldest that setup.cfg allows. A test tells
something about the oldest ones if it reaches a library that has two; all others would repeat what they told before.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).resolve().parents[2]

EVERYWHERE: Final = frozenset({"zope", "pytest", "_pytest", "hypothesis"})
"""What says nothing about who imports it: promises are declared with the first when any module is read, and the others run the tests."""

ASKED: Final = "importlib.metadata"
"""Who imports this asks which libraries are installed here."""

_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([^\n#]+))", re.M
)


def concerns(test: Path) -> bool:
    """Tell whether a file of tests has to do with the versions of libraries.

    It has, if it, the kit that it stands on, or a module of the product that one of these imports names a library with
    two versions. It is not asked what that module imports: whose tests it has, tell that.
    """
    return any(_names_a_library(name) for name in reached(module_of(test)))


def reached(module: str) -> frozenset[str]:
    """Give a test's own module, those of the tests that it is built of, and what all of these import."""
    own, found = [module], {module}
    while own:
        new = imports(own.pop()) - found
        found |= new
        own += [name for name in new if name.startswith("tests.")]
    return frozenset(found)


def module_of(file: Path) -> str:
    """Give the name of a module of this project."""
    return ".".join(file.resolve().relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(module: str) -> frozenset[str]:
    """Give what a module of this project imports: modules of this project, and names of all others."""
    return frozenset(_imports(_file(module))) if _file(module).exists() else frozenset()


@cache
def with_two_versions() -> frozenset[str]:
    """Give what is imported of the libraries that have two versions."""
    newest, oldest = _pinned("locked"), _pinned("lowest")
    changed = {name for name, version in oldest.items() if newest.get(name, version) != version}
    given = packages_distributions().items()
    return frozenset(name for name, of in given if changed & {_plain(one) for one in of}) - EVERYWHERE


def _names_a_library(module: str) -> bool:
    named = {name.partition(".")[0] for name in imports(module)}
    return not named.isdisjoint(with_two_versions()) or ASKED in imports(module)


def _imports(file: Path) -> Iterator[str]:
    for source, names, plain in _IMPORT.findall(file.read_text("utf-8")):
        for name in plain.split(","):
            if name.strip():
                yield name.split()[0]
        if source:
            yield source
            for name in re.findall(r"(\w+)(?:[ \t]+as[ \t]+\w+)?[ \t]*(?:,|\)|#|$)", names, re.M):
                if _file(f"{source}.{name}").exists():
                    yield f"{source}.{name}"


def _file(module: str) -> Path:
    path = TOP.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _pinned(name: str) -> dict[str, str]:
    lines = (TOP / "constraints" / f"{name}.txt").read_text("utf-8").splitlines()
    return {_plain(library): version for library, version in (line.split("==") for line in lines if "==" in line)}


def _plain(library: str) -> str:
    return re.sub(r"[-_.]+", "-", library).lower()
