"""`lyncpy ctl`: the shell of the server on this machine, over its local socket."""

import argparse
import getpass
import json
import os
import select
import signal
import socket
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from lyncpy.app.arguments import add_config
from lyncpy.app.pool_settings import Settings as PoolSettings
from lyncpy.app.pool_settings import own_file
from lyncpy.contracts.regular_file import read_regular
from lyncpy.contracts.toml_text import TomlUnusable, read_toml
from lyncpy.workloads.admin.local_frames import (
    BEGIN,
    END,
    ERROR,
    INPUT,
    OUT,
    SIZE,
    STATUS,
    Beginning,
    BrokenFrame,
    FrameReader,
    frame,
)
from lyncpy.workloads.admin.settings import Settings as AdminSettings
from lyncpy.workloads.admin.words import joined

READ_BYTES: Final = 65_536

TYPED_UNSEEN: Final = (("user", "passwd"), "New password")
"""The words of the command whose input a person types here, and what they are asked for; a program gives it as input."""


class NoServer(OSError):
    """No server is asked, or none answers; the sentence says why, and what to do."""


def declare(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    ctl = words.add_parser(
        "ctl",
        help="ask the running server of this machine, as in its shell; without a command a prompt, or lines from a pipe",
    )
    add_config(ctl)
    ctl.add_argument("line", nargs=argparse.REMAINDER, metavar="COMMAND", help="a command of the shell, and its words")
    ctl.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, and give the exit status of the answer."""
    door = _door(options.config)
    is_person = sys.stdin.isatty() and sys.stdout.isatty()
    line = joined(options.line)
    mode = "command" if line else "prompt" if is_person else "script"
    said = _typed_unseen(options.line) if is_person else None
    with _connected(door) as server:
        columns, rows = _size() if is_person and said is None else (None, None)
        server.sendall(frame(BEGIN, Beginning(mode, line, columns, rows).packed()))
        if mode == "prompt":
            with _raw_terminal(server):
                return _talk(server, is_raw=True)
        if said is not None:
            server.sendall(frame(INPUT, said.encode()))
        return _talk(server, is_raw=False, reads=mode == "script" or not sys.stdin.isatty())


def _typed_unseen(line: Sequence[str]) -> str | None:
    """Ask for what a command reads that nobody else may see; None: it reads no such thing.

    Raises:
        Unreachable: It was not typed twice alike.
    """
    words, question = TYPED_UNSEEN
    if tuple(line[: len(words)]) != words or any(word.startswith(("--generate", "--help")) for word in line):
        return None
    first = getpass.getpass(f"{question}: ")
    if getpass.getpass("Once more: ") != first:
        raise NoServer("the two are not the same; nothing has changed")
    return first


@dataclass(frozen=True, slots=True)
class _Door:
    """Where a server is asked."""

    home: Path
    name: str
    """Of the socket; "": there is none."""

    processes: int


def _door(file: Path) -> _Door:
    """Read where the server is asked: two sections of the settings, for all of them take longer than the question.

    Raises:
        Unreachable: These cannot be used; says all that is wrong with the settings, as a start does.
    """
    try:
        document = read_toml(read_regular(file))
        admin = AdminSettings.model_validate_json(json.dumps(document.get("admin", {}), default=str))
        pool = PoolSettings.model_validate_json(json.dumps(document.get("pool", {}), default=str))
    except (OSError, TomlUnusable, ValueError):
        config = import_module("lyncpy.app.config")
        try:
            sections = config.load(file).sections
        except config.ConfigError as error:
            raise NoServer(str(error)) from None
        admin, pool = sections.admin, sections.pool
    return _Door(file.absolute().parent, admin.socket, pool.processes)


@contextmanager
def _connected(door: _Door) -> Iterator[socket.socket]:
    """Connect to the server, of several processes to the first that answers: each tells of all, and may be gone for a moment.

    Raises:
        Unreachable: With a sentence for whoever asks.
    """
    if not door.name:
        raise NoServer('this server has no local socket ([admin] socket = "")')
    names = [door.name, *(own_file(door.name, number) for number in range(2, door.processes + 1))]
    for path in map(door.home.joinpath, names):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            try:
                _connect(server, path)
            except PermissionError:
                raise NoServer(f"{path} is for root and the server's own user; use that, or SSH") from None
            except OSError:
                continue
            yield server
            return
    raise NoServer(f"no server listens on {door.home / door.name} ([admin] socket); is it running?")


def _connect(server: socket.socket, path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # The path of a socket has 107 bytes at most; by its folder's descriptor it is always short.
        server.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _talk(server: socket.socket, *, is_raw: bool, reads: bool = True) -> int:
    """Pass on what is typed and what is answered; give the status."""
    frames = FrameReader()
    watched = [server, *([sys.stdin] if reads or is_raw else [])]
    if not (reads or is_raw):
        server.sendall(frame(END))
    while True:
        ready, _, _ = select.select(watched, [], [])
        if sys.stdin in ready:
            data = os.read(sys.stdin.fileno(), READ_BYTES)
            # A server that takes no more has said why before it closes.
            with suppress(BrokenPipeError, ConnectionResetError):
                server.sendall(frame(INPUT, data) if data else frame(END))
            if not data:
                watched.remove(sys.stdin)
        if server in ready:
            data = server.recv(READ_BYTES)
            if not data:
                raise NoServer("the server has ended the connection")
            status = _shown(frames, data)
            if status is not None:
                return status


def _shown(frames: FrameReader, data: bytes) -> int | None:
    """Show what the server says; give the status that it ends with, if that is there."""
    try:
        for kind, body in frames.read(data):
            if kind == STATUS:
                return body[0] if body else 1
            out = {OUT: sys.stdout, ERROR: sys.stderr}.get(kind)
            if out is not None:
                out.buffer.write(body)
                out.buffer.flush()
    except BrokenFrame:
        raise NoServer("what answers is no lyncpy of this version") from None
    return None


def _size() -> tuple[int | None, int | None]:
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return None, None
    return size.columns or 80, size.lines or None


@contextmanager
def _raw_terminal(server: socket.socket) -> Iterator[None]:
    """Pass each key on as it is pressed, and the size of the terminal whenever it changes."""
    before = termios.tcgetattr(sys.stdin)

    def resized(*_: object) -> None:
        columns, rows = _size()
        server.sendall(frame(SIZE, Beginning("size", "", columns, rows).packed()))

    known = signal.signal(signal.SIGWINCH, resized)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, known)
