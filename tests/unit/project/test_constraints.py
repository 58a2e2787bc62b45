"""The locked versions of the libraries are ones that every Python that we support can install."""

from configparser import ConfigParser
from importlib.metadata import distributions

import pytest
from packaging.specifiers import SpecifierSet

from tests.kit.forks import TOP

OLDEST = "3.11.2"
"""The Python of Debian 12."""


def _pinned(name: str) -> dict[str, str]:
    lines = (TOP / "constraints" / f"{name}.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("name", ["locked", "lowest"])
def test_no_version_needs_a_newer_python_than_we_do(name: str) -> None:
    """An installation gives up where the only version that it may take does not run on the Python that is there."""
    pinned = _pinned(name)
    here = {each.name: each for each in distributions() if pinned.get(each.name) == each.version}
    assert len(here) > 10, "the versions of this environment are looked at"
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
