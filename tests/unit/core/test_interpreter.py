"""Which Python runs the server, and whether it was built to be fast."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lyncpy.core import interpreter

DEBIAN = {"ID": "debian"}
UBUNTU = {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}
FEDORA = {"ID": "fedora"}


@pytest.mark.parametrize(
    ("record", "prefix", "system", "profiled"),
    [
        ({"CONFIG_ARGS": "'--enable-shared' '--enable-optimizations'"}, "/opt/python", DEBIAN, True),
        ({"PY_CFLAGS_NODIST": "-std=c11 -fprofile-use -fprofile-correction"}, "/opt/python", FEDORA, True),
        ({"CONFIG_ARGS": "'--prefix=/opt/python'", "PGO_PROF_USE_FLAG": "-fprofile-use"}, "/opt/python", DEBIAN, False),
        ({"CONFIG_ARGS": "'--prefix=/usr'"}, "/usr", DEBIAN, True),
        ({"CONFIG_ARGS": "'--prefix=/usr'"}, "/usr", UBUNTU, True),
        ({"CONFIG_ARGS": "'--prefix=/usr'"}, "/usr", FEDORA, False),
        ({}, "/usr", None, False),
    ],
)
def test_a_profile_is_found(
    record: dict[str, str], prefix: str, system: Mapping[str, str] | None, *, profiled: bool
) -> None:
    """By what the build says of itself, and Debian's by whose it is: Debian takes the flags out of the record."""

    def names() -> Mapping[str, str]:
        if system is None:
            raise OSError
        return system

    assert interpreter.is_profiled(record.get, prefix, names) is profiled


def test_the_description_names_version_and_place() -> None:
    """An operator sees which of several it is."""
    words = interpreter.description()
    assert f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} of {sys.base_prefix}, " in words


def test_the_file_tells_by_itself() -> None:
    """scripts/environment runs it with Pythons that know nothing of lyncpy, and reads the first word."""
    done = subprocess.run(
        [sys.executable, "-I", str(Path(interpreter.__file__))], capture_output=True, text=True, timeout=60, check=True
    )
    kind = "profiled" if interpreter.is_profiled() else "plain"
    assert done.stdout == f"{kind} {interpreter.description()}\n"
