"""What gap files of processes that are not there any more tell is not lost."""

import json
from pathlib import Path

from lyncpy.app.config import check
from lyncpy.app.gap_files import rescue_gaps
from lyncpy.backends.gapfile import GapFile, content_of
from lyncpy.backends.threads import Threads
from tests.kit.threads import ThreadPump

NOTHING = {"form": 1, "count": 0, "since": 0.0, "until": 0.0, "doubt": None}


def write(path: Path, count: int) -> None:
    """Write a gap of so many messages, as a server does."""
    pump = ThreadPump()
    file = GapFile(path, Threads(pump, "gap"))

    async def work() -> None:
        await file.open()
        await file.write(json.dumps({**NOTHING, "count": count}).encode())
        await file.close()

    pump.run(work())


def told(folder: Path, processes: int) -> list[str]:
    """Start with so many processes; give what is said."""
    document = {
        "sip": {"domain": "example.test"},
        "pool": {"processes": processes},
        "store": {"url": "postgresql://lyncpy@127.0.0.1/lyncpy"},
        "bus": {"url": "nats://127.0.0.1"},
    }
    return list(rescue_gaps(check(folder / "lyncpy.toml", document)))


def counts(folder: Path) -> dict[str, int]:
    """Give how many messages each file tells of."""
    return {one.name: json.loads(content_of(one))["count"] for one in sorted(folder.glob("archive*.gap"))}


def test_fewer_processes_tell_what_the_others_have_left(tmp_path: Path) -> None:
    """A file that tells of messages becomes that of one who has none to tell of; an empty one stays."""
    for name, count in (("archive.gap", 0), ("archive.2.gap", 4), ("archive.3.gap", 0), ("archive.4.gap", 7)):
        write(tmp_path / name, count)
    assert told(tmp_path, 4) == []
    (sentence,) = told(tmp_path, 2)
    assert "archive.4.gap" in sentence
    assert counts(tmp_path) == {"archive.gap": 7, "archive.2.gap": 4, "archive.3.gap": 0}


def test_one_for_whom_there_is_no_place_waits(tmp_path: Path) -> None:
    """It is said, and nothing is lost."""
    write(tmp_path / "archive.gap", 1)
    write(tmp_path / "archive.2.gap", 2)
    (sentence,) = told(tmp_path, 1)
    assert "is told at a start after this one" in sentence
    assert counts(tmp_path) == {"archive.gap": 1, "archive.2.gap": 2}


def test_other_files_are_nobodys(tmp_path: Path) -> None:
    """Names that only look alike, and a folder without any."""
    (tmp_path / "archive.x.gap").write_bytes(b"x")
    (tmp_path / "archive.2.gap.old").write_bytes(b"x")
    assert told(tmp_path, 1) == []


def test_what_cannot_be_read_is_kept(tmp_path: Path) -> None:
    """Where there is no file yet, it is put there: its process says what is wrong with it."""
    pump = ThreadPump()
    file = GapFile(tmp_path / "archive.2.gap", Threads(pump, "gap"))

    async def work() -> None:
        await file.open()
        await file.write(b"nonsense")
        await file.close()

    pump.run(work())
    assert len(told(tmp_path, 1)) == 1
    assert content_of(tmp_path / "archive.gap") == b"nonsense"
