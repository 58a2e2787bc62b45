"""A process that starts itself anew."""

import io
import subprocess
import sys

import pytest

from lyncpy.app.anew import starter

PROGRAM = """
import os, sys
from lyncpy.app.anew import starter
print(os.getpid(), *sys.argv[1:])
if not os.environ.get("BEGUN"):
    os.environ["BEGUN"] = "1"
    starter()()
"""


def test_it_is_the_same_process_with_the_same_words() -> None:
    """Whoever waits for it, or ends it, need not know."""
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, "one", "two words"], capture_output=True, text=True, timeout=30, check=True
    ).stdout.splitlines()
    assert len(said) == 2
    assert said[0] == said[1]
    assert said[0].endswith(" one two words")


def test_one_that_cannot_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a status that says so to whoever keeps it running."""
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)

    def replace(program: str, words: list[str]) -> None:
        raise OSError("no more memory")

    starter(["python", "x"], replace)()
    assert ended == [1]


@pytest.mark.parametrize("error", [BrokenPipeError("nobody reads"), ValueError("I/O operation on closed file")])
def test_that_nobody_reads_what_it_prints_keeps_nothing_up(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """It is known dead: to stay, deaf to the others, would be worse than to lose a line."""

    class Dead(io.StringIO):
        def flush(self) -> None:
            raise error

    monkeypatch.setattr("sys.stdout", Dead())
    monkeypatch.setattr("sys.stderr", Dead())
    begun: list[str] = []
    starter(["python", "x"], lambda program, words: begun.extend(words))()
    assert begun[1:] == ["x"]
