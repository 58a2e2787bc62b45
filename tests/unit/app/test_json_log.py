"""The log as objects: each line says when, how bad, where, what, of which values, and for which request."""

import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, Logger, LogPublisher

from lyncpy.app.json_log import Journal, JsonLog, is_journaled, journal_entry, object_of
from lyncpy.core.tasks import Task
from tests.kit.gatehouse import request_of


def event_of(**fields: Any) -> LogEvent:  # Any: what a line was made of
    """Give an event as a room logs it."""
    seen: list[LogEvent] = []
    observer: Any = seen.append
    log = Logger(namespace="lyncpy.workloads.presence.fanout", observer=observer)
    log.warn(fields.pop("text", "{aor} is told later"), **fields)
    return {**seen[0], "log_time": 1.7e9 + 0.25}


def test_a_line_is_a_plain_object() -> None:
    """Programs that gather logs find the same few keys in each line, and the values with their kinds."""
    told = object_of(
        event_of(aor="sip:alice@contoso.test", seconds=1.5, flows=("n/1", "n/2"), worst=float("inf"), left=None)
    )
    assert told == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warn",
        "room": "presence",
        "sentence": "sip:alice@contoso.test is told later",
        "fields": {
            "aor": "sip:alice@contoso.test",
            "seconds": 1.5,
            "flows": ["n/1", "n/2"],
            "worst": "inf",
            "left": None,
        },
    }


def test_a_stranger_forges_no_line() -> None:
    """What they wrote is one text in one object."""
    told = object_of(event_of(aor='x\n{"level": "error"}\x1b[2J'))
    assert "\n" not in json.dumps(told)
    assert "\x1b" not in json.dumps(told, ensure_ascii=False)


def test_a_fault_has_its_traceback_and_no_secret_of_twisted() -> None:
    """Its keys are ours, whoever has logged it."""
    seen: list[LogEvent] = []
    observer: Any = seen.append
    try:
        raise ValueError("no good")
    except ValueError:
        Logger(namespace="twisted.internet", observer=observer).failure("it failed")
    told = object_of(seen[0])
    assert (told["room"], told["level"], told["sentence"]) == ("twisted", "critical", "it failed")
    assert "ValueError: no good" in str(told["traceback"])
    assert "fields" not in told


def test_all_lines_of_a_request_have_its_id() -> None:
    """Also those that come after it has waited."""
    seen: list[dict[str, Any]] = []  # Any: plain objects
    observer: Any = lambda event: seen.append(object_of(event))  # noqa: E731 - Twisted takes any function
    log = Logger(observer=observer)

    waited: Deferred[None] = Deferred()
    request = request_of("sip:alice@contoso.test", "MESSAGE")

    async def answer() -> None:
        log.info("before")
        await waited
        log.info("after")

    Task(answer(), lambda _: None, lambda failure: None, subject=request).go_on()
    log.info("beside")
    waited.callback(None)
    assert [(one["sentence"], one.get("request")) for one in seen] == [
        ("before", f"{request.call_id} 1 MESSAGE"),
        ("beside", None),
        ("after", f"{request.call_id} 1 MESSAGE"),
    ]


def test_a_full_disk_is_quiet_and_told_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other line is written because this one cannot be, and the file says what it misses."""
    log = JsonLog(tmp_path / "log.json")
    log(event_of(aor="a"))
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda where, data: write(where, data[:20]))
        log(event_of(aor="torn"))

        def refuse(where: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(os, "write", refuse)
        log(event_of(aor="lost"))
    log(event_of(aor="b"))
    first, torn, missing, last = (tmp_path / "log.json").read_text().splitlines()
    assert (json.loads(first)["fields"], json.loads(last)["fields"]) == ({"aor": "a"}, {"aor": "b"})
    assert len(torn) == 20
    assert json.loads(missing)["sentence"] == "2 lines are missing here: No space left on device"


def test_what_rotates_logs_gets_a_new_file(tmp_path: Path) -> None:
    """The old one is whole, the new one begins with the next line; both are nobody else's business."""
    file, old = tmp_path / "log.json", tmp_path / "log.json.1"
    log = JsonLog(file)
    log(event_of(aor="a"))
    file.rename(old)
    log(event_of(aor="b"))
    log.reopen()
    log(event_of(aor="c"))
    assert (old.read_text().count("\n"), file.read_text().count("\n")) == (2, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    (tmp_path / "gone").mkdir()
    file.unlink()
    file.mkdir()
    log.reopen()  # it cannot be: the log goes on where it was


def test_the_journal_gets_fields_that_can_be_searched(tmp_path: Path) -> None:
    """By its own protocol, where a text of several lines goes with its length."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as theirs:
        theirs.bind(str(tmp_path / "journal"))
        journal = Journal(tmp_path / "journal")
        journal(event_of(aor="sip:a@contoso.test", count=3))
        entry = theirs.recv(65536)
        journal.close()
    assert entry == (
        b"MESSAGE=sip:a@contoso.test is told later\nPRIORITY=4\nSYSLOG_IDENTIFIER=lyncpy\nLYNCPY_ROOM=presence\n"
        b"LYNCPY_AOR=sip:a@contoso.test\nLYNCPY_COUNT=3\n"
    )
    told = {"level": "error", "room": "core", "sentence": "it failed", "traceback": "line\nline", "request": "c 1 BYE"}
    assert journal_entry(told).startswith(b"MESSAGE\n" + (19).to_bytes(8, "little") + b"it failed\nline\nline\n")
    assert b"\nLYNCPY_REQUEST=c 1 BYE\n" in journal_entry(told)


def test_a_journal_that_is_not_there_disturbs_nobody(tmp_path: Path) -> None:
    """The service goes on when journald is restarted."""
    journal = Journal(tmp_path / "none")
    Logger(observer=LogPublisher(journal)).info("nobody reads this")
    journal.close()


def test_only_what_goes_to_the_journal_goes_there(tmp_path: Path) -> None:
    """Systemd says which stream it has connected."""
    with (tmp_path / "out").open("w") as out:
        found = os.fstat(out.fileno())
        assert is_journaled(f"{found.st_dev}:{found.st_ino}", out.fileno())
        assert not is_journaled("1:1", out.fileno())
        assert not is_journaled("", out.fileno())
    assert not is_journaled("1:1", 10**6)
