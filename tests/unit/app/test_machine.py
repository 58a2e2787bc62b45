"""What a server needs of its machine: room, names."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lyncpy.app import machine
from lyncpy.app.config import Config, check
from lyncpy.app.machine import disk_findings, name_findings


def config_of(home: Path, **sip: str) -> Config:
    """Give settings."""
    return check(home / "lyncpy.toml", {"sip": {"domain": "corp.net", **sip}, "log": {"json_file": "log/lyncpy.json"}})


@pytest.mark.parametrize(
    ("free_mib", "total_mib", "files", "told"),
    [
        (300, 1000, 10, ""),
        (255, 1000, 10, "make room"),
        (4000, 500_000, 10, "make room"),
        (6000, 1_000_000, 10, ""),
        (900, 1000, 0, "for no more files"),
    ],
)
def test_a_disk_without_room_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, total_mib: int, files: int, told: str
) -> None:
    """Once for each disk, with the setting of what is on it."""
    status: Any = SimpleNamespace(  # Any: no more of it than is asked
        f_bavail=free_mib << 8, f_blocks=total_mib << 8, f_frsize=4096, f_files=100, f_favail=files
    )
    monkeypatch.setattr(os, "statvfs", lambda path: status)
    (found,) = disk_findings(config_of(tmp_path))
    assert found.good == (not told)
    assert told in found.sentence
    assert found.sentence.startswith(f'[store] url: the disk of "{tmp_path}" has room for {free_mib} MiB')


def test_a_folder_that_is_not_there_is_on_the_disk_of_the_one_above(tmp_path: Path) -> None:
    """It is made later."""
    assert [one.good for one in disk_findings(config_of(tmp_path / "later"))] == [True]


def test_the_servers_own_name_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name for trials is not."""

    def unknown(name: str) -> None:
        raise OSError(-2, "Name or service not known")

    (found,) = name_findings(config_of(tmp_path), unknown)
    assert not found.good
    assert "sip.corp.net has no address here (Name or service not known): publish it" in found.sentence
    assert [one.good for one in name_findings(config_of(tmp_path), lambda name: None)] == [True]
    for trial in ("sip.example.test", "sip.example.com", "localhost"):
        assert [one.good for one in name_findings(config_of(tmp_path, server_name=trial), unknown)] == [True]
    monkeypatch.setattr(machine, "NAME_S", 0.0)
    hanging = name_findings(config_of(tmp_path), lambda name: os.read(reading, 1))
    reading, writing = os.pipe()
    assert "no answer within 0 s" in next(hanging).sentence
    os.close(writing)


def test_a_folder_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    """And the others are looked at: whoever may not enter a folder is told so in the same way."""
    found = list(disk_findings(config_of(tmp_path / ("long" * 100))))
    assert [one.good for one in found] == [False] * len(found)
    assert "cannot be looked at: File name too long" in found[0].sentence
