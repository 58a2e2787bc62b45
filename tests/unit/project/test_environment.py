"""Which Python the scripts make an environment with."""

import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]


def _python(folder: Path, name: str, says: str) -> Path:
    """Make a program that says what a Python would say of itself; one that says nothing will not do."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{f'echo {says!r}' if says else 'exit 1'}\n")
    file.chmod(0o755)
    return file


def _chosen(*folders: Path, python: Path | None = None) -> str:
    """Give what is chosen where these folders come first in the path."""
    done = subprocess.run(
        ["/bin/bash", "-euc", f'top={TOP}; . "$top/scripts/environment"; choose_python; echo "$python $python_is"'],
        env={
            "PATH": ":".join([*map(str, folders), "/usr/bin", "/bin"]),
            **({"LYNCPY_PYTHON": str(python)} if python else {}),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_one_that_was_built_with_a_profile_comes_first(tmp_path: Path) -> None:
    """Although another comes first in the path, and one that will not do before both."""
    _python(tmp_path / "broken", "python3", "")
    _python(tmp_path / "plain", "python3", "plain CPython")
    fast = _python(tmp_path / "fast", "python3", "profiled CPython")
    assert _chosen(tmp_path / "broken", tmp_path / "plain", tmp_path / "fast") == f"{fast} profiled"


def test_the_usual_one_of_several_is_taken(tmp_path: Path) -> None:
    """Of those that are alike the first in the path."""
    first = _python(tmp_path / "first", "python3", "profiled CPython")
    _python(tmp_path / "second", "python3", "profiled CPython")
    assert _chosen(tmp_path / "first", tmp_path / "second") == f"{first} profiled"


@pytest.mark.parametrize("kind", ["plain", "profiled"])
def test_whoever_names_one_gets_it(tmp_path: Path, kind: str) -> None:
    """LYNCPY_PYTHON is not second-guessed."""
    _python(tmp_path / "fast", "python3", "profiled CPython")
    named = _python(tmp_path / "own", "python", f"{kind} CPython")
    assert _chosen(tmp_path / "fast", python=named) == f"{named} {kind}"


def test_a_named_one_that_will_not_do_is_not_replaced_in_silence(tmp_path: Path) -> None:
    """None is chosen, and the script says so."""
    _python(tmp_path / "fast", "python3", "profiled CPython")
    assert _chosen(tmp_path / "fast", python=tmp_path / "none") == ""
