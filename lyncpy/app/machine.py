"""What a server needs of its machine: room on the disks, names in DNS, a clock that is right."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Final

from lyncpy.app.config import Config
from lyncpy.contracts.finding import Finding

LOW_BYTES: Final = 256 << 20
LOW_SHARE: Final = 0.01
"""Room on a disk below which something should be done, and for large ones the share; databases and logs grow in hours, not days."""

LOW_SHARE_BYTES: Final = 5 << 30
"""The share counts for disks with less room than this."""

NAME_S: Final = 5.0
"""For one name: a resolver that hangs takes longer."""

RESERVED: Final = ("test", "example", "invalid", "localhost", "example.com", "example.net", "example.org")
"""Domains that nobody has (RFC 2606): a server with one of them is a trial."""


def disk_findings(config: Config) -> Iterator[Finding]:
    """Look at the room on each disk that the server writes to."""
    seen: set[int] = set()
    for what, path in _written_to(config):
        try:
            folder = next(one for one in (path, *path.parents) if one.is_dir())
            status, device = os.statvfs(folder), folder.stat().st_dev
        except OSError as error:
            sentence = f'{what}: "{path}" cannot be looked at: {error.strerror}; let user {os.geteuid()} reach it'
            yield Finding(good=False, sentence=sentence)
            continue
        if device not in seen:
            seen.add(device)
            yield _room(what, folder, status)


def _room(what: str, folder: Path, status: os.statvfs_result) -> Finding:
    free, total = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
    has = f'{what}: the disk of "{folder}" has room for {free >> 20} MiB'
    if status.f_files and not status.f_favail:
        return Finding(good=False, sentence=f"{has}, and for no more files: remove some")
    if free < LOW_BYTES or (free < LOW_SHARE_BYTES and free < total * LOW_SHARE):
        return Finding(good=False, sentence=f"{has}: make room, for without it nothing can be kept")
    return Finding(good=True, sentence=has)


def _written_to(config: Config) -> Iterator[tuple[str, Path]]:
    sections = config.sections
    if sections.store.is_sqlite:
        yield "[store] url", config.path(sections.store.path).parent
    yield "[archive] gap_file", config.path(sections.archive.gap_file).parent
    yield "[archive] export_folder", config.path(sections.archive.export_folder)
    if sections.log.json_file:
        yield "[log] json_file", config.path(sections.log.json_file).parent


def name_findings(config: Config, look_up: Callable[[str], object] | None = None) -> Iterator[Finding]:
    """Ask the system for the address of the server's own name, under which clients look for it.

    Args:
        config: Settings.
        look_up: Raises OSError for a name that has none; None: the system is asked.
    """
    name = config.sections.sip.server_name
    if any(name == one or name.endswith(f".{one}") for one in RESERVED):
        yield Finding(
            good=True, sentence=f"[sip] server_name: {name} is a name for trials, and is not looked for in DNS"
        )
        return
    said = unresolved(look_up or ask_system, name)
    if said:
        sentence = (
            f"[sip] server_name: {name} has no address here ({said}): publish it in DNS (`lyncpy dns`), or correct it"
        )
        yield Finding(good=False, sentence=sentence)
    else:
        yield Finding(good=True, sentence=f"[sip] server_name: {name} has an address")


def ask_system(name: str) -> object:
    """Ask the system for the addresses of a name; it may take its time.

    Raises:
        OSError: There are none.
    """
    return socket.getaddrinfo(name, None)


def unresolved(look_up: Callable[[str], object], name: str) -> str:
    """Say why a name has no address; "" when it has one. Waits for `NAME_S` seconds at most."""
    said: list[str] = []

    def ask() -> None:
        try:
            look_up(name)
        except OSError as error:
            said.append(error.strerror or str(error))
        else:
            said.append("")

    # The system bounds no look-up.
    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(NAME_S)
    return said[0] if said else f"no answer within {NAME_S:g} s"
