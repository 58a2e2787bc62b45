"""The locked versions of the libraries are ones that every Python that we support can install."""

from configparser import ConfigParser
from importlib.metadata import Distribution, distributions

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.kit.forks import TOP

OLDEST = "3.11.2"
"""The Python of Debian 12."""


KINDS = ("locked", "lowest")


def _pinned(name: str) -> dict[str, str]:
    lines = (TOP / "constraints" / f"{name}.txt").read_text("utf-8").splitlines()
    pins = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(library): version for library, version in pins}


def _installed(pinned: dict[str, str]) -> dict[str, Distribution]:
    """Give the libraries that are here in the very version that is pinned."""
    here = {canonicalize_name(each.name): each for each in distributions()}
    return {name: each for name, each in here.items() if pinned.get(name) == each.version}


@pytest.mark.parametrize("name", KINDS)
def test_no_version_needs_a_newer_python_than_we_do(name: str) -> None:
    """An installation gives up where the only version that it may take does not run on the Python that is there.

    A library says so where it is installed, so the versions of this environment alone are looked at. It may be one without
    what checks and documentation need.
    """
    pinned = _pinned(name)
    if name != max(KINDS, key=lambda kind: len(_installed(_pinned(kind)))):
        pytest.skip(
            f"the {name} versions are looked at where they are installed: LYNCPY_CONSTRAINTS={name} scripts/test"
        )
    here = _installed(pinned)
    others = {canonicalize_name(each.name) for each in distributions()} & set(pinned) - set(here)
    assert len(here) > 30, here
    assert len(others) < len(here) / 10, others
    refusing = {
        name: each.metadata["Requires-Python"]
        for name, each in here.items()
        if not SpecifierSet(each.metadata["Requires-Python"] or "").contains(OLDEST)
    }
    assert not refusing


def test_the_oldest_python_is_one_that_we_support() -> None:
    """What setup.cfg promises and what the versions are locked for is the same Python."""
    config = ConfigParser()
    config.read(TOP / "setup.cfg")
    assert SpecifierSet(config["options"]["python_requires"]).contains(OLDEST)
