"""The folder of traces."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.backends.threads import Threads
from lyncpy.backends.trace_files import TraceFiles
from lyncpy.contracts.tracing import ITraceFiles
from lyncpy.contracts.workload import IUnit
from tests.kit.threads import ThreadPump


@pytest.fixture
def pump() -> ThreadPump:
    """What hears from the thread."""
    return ThreadPump()


@pytest.fixture
def files(tmp_path: Path, pump: ThreadPump) -> Iterator[TraceFiles]:
    """A folder that is not there yet."""
    files = TraceFiles(tmp_path / "home" / "traces", Threads(pump, "traces"))
    pump.run(files.open())
    yield files
    pump.run(files.close())


def test_is_what_it_says(files: TraceFiles) -> None:
    """The implementation declares the promises."""
    assert ITraceFiles.providedBy(files)
    assert IUnit.providedBy(files)


def test_only_the_servers_user_reads_a_trace(files: TraceFiles, pump: ThreadPump, tmp_path: Path) -> None:
    """The folder is 0700, files are 0600, also what is exported; nothing is written over."""
    pump.run(files.create("alice-1", b"{}\n"))
    pump.run(files.append("alice-1", b"[]\n"))
    where = Path(pump.run(files.export("alice-1.export.json", b"{}")))
    folder = tmp_path / "home" / "traces"
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (folder, *folder.iterdir())]
    assert modes == [0o700, 0o600, 0o600]
    assert (pump.run(files.read("alice-1")), where.read_bytes()) == (b"{}\n[]\n", b"{}")
    with pytest.raises(FileExistsError):
        pump.run(files.create("alice-1", b""))
    assert pump.run(files.export("alice-1.export.json", b"[]")) == str(where)


def test_files_are_listed_with_their_first_line_and_removed_with_what_was_exported(
    files: TraceFiles, pump: ThreadPump, tmp_path: Path
) -> None:
    """An export is no trace, and is gone with its own."""
    assert pump.run(files.files()) == []
    pump.run(files.create("alice-1", b"head\nmore\n"))
    pump.run(files.export("alice-1.export.json", b"{}"))
    ((name, size, head),) = [(one.name, one.size, one.head) for one in pump.run(files.files())]
    assert (name, size, head) == ("alice-1", 10, b"head\n")
    for _ in range(2):
        pump.run(files.remove("alice-1"))
    assert list((tmp_path / "home" / "traces").iterdir()) == []


@pytest.mark.parametrize("name", ["../lyncpy", ".hidden", "a/b", "", "x" * 200, "A"])
def test_a_name_leads_nowhere_else(files: TraceFiles, pump: ThreadPump, name: str) -> None:
    """An operator's word is no path."""
    with pytest.raises(FileNotFoundError, match="there is no trace"):
        pump.run(files.read(name))
