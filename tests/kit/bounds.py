"""Which tests have to do with how old the libraries are, and how few of them tell it.

`constraints/` has two versions of a library, or one: Twisted's newest is the oldest that setup.cfg allows. A test tells
something about the oldest ones if it is about what we ask of a library that has two; all others would repeat what they
told before.
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

MARK: Final = "pytest.mark.libraries"
"""What stands before a test, or in the `pytestmark` of a file, that needs a whole server to tell what a library does."""

ASKED: Final = "importlib.metadata"
"""Who imports this asks which libraries are installed here."""

VALUES: Final = ("settings", "policy_settings")
"""Modules that describe values, all of them in the same way: what their library makes of it is told by the tests that name
it, and by those of `app/config.py`, which reads them all. Whoever is given values of them says nothing about it."""

_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([^\n#]+))", re.M
)


def concerns(test: Path) -> bool:
    """Tell whether a file of tests has to do with the versions of libraries.

    It has, if it or a module of the product that it imports names a library with two versions. It is not asked what that
    module imports, nor what the kit does: whose tests they have, tell that. But an implementation of a contract is opened
    by the kit alone. And of tests with a whole server, which reaches everything, those have that say so by a mark.
    """
    if is_of_a_whole_server(test):
        return MARK in test.read_text("utf-8")
    names = reached(module_of(test)) if _folder(test) == "contracts" else near(module_of(test))
    return any(_names_a_library(name) for name in names)


def is_of_a_whole_server(test: Path) -> bool:
    """Tell whether there is a server in each test of a file, with all of its libraries."""
    return _folder(test) in ("scenarios", "interop")


def near(module: str) -> frozenset[str]:
    """Give a test's own module, and what it imports of the product; not what describes values."""
    ours = (name for name in imports(module) if name.startswith("lyncpy."))
    return frozenset({module} | {name for name in ours if name.rpartition(".")[2] not in VALUES})


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


def _folder(test: Path) -> str:
    return test.resolve().relative_to(TOP / "tests").parts[0]


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
