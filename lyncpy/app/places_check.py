"""Files and folders that the server writes to or reads later, and settings that leave clients no way in."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lyncpy.app.config import Config
from lyncpy.contracts.file_faults import unwritable
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.regular_file import open_regular

SOCKET_NAME_MOST: Final = 80
"""Bytes of the name of a Unix socket in its folder: the kernel takes 107 of the whole path."""


def place_findings(config: Config) -> Iterator[Finding]:
    """Look at what a start, a backup or the archive would fail over; only what is wrong is told."""
    admin, store, archive = config.sections.admin, config.sections.store, config.sections.archive
    if not any((config.sections.sip.tls_port, config.sections.sip.tcp_port)):
        sentence = "[sip] tls_port: it is 0, and so is tcp_port: no client can sign in; set tls_port = 5061"
        yield Finding(good=False, sentence=sentence)
    if config.sections.log.json_file:
        yield from _in_folder("[log] json_file", config.path(config.sections.log.json_file), stops=True)
    texts = _texts(config)
    yield from _double(config, texts)
    yield from _unexpanded(texts)
    if admin.socket:
        yield from _socket(config.path(admin.socket))
    yield from _in_folder("[archive] gap_file", config.path(archive.gap_file), stops=False)
    yield from _folder("[archive] export_folder", config.path(archive.export_folder))
    yield from _folder("[store] backup_folder", config.path(store.backup_folder))
    yield from _folder("[tracing] folder", config.path(config.sections.tracing.folder))
    if store.backup_passphrase_file:
        yield from _readable("[store] backup_passphrase_file", config.path(store.backup_passphrase_file))


def _double(config: Config, texts: Mapping[str, str]) -> Iterator[Finding]:
    """Look whether what the server writes by itself is a file of something else, which it would spoil."""
    sections = config.sections
    others = [("the settings", config.file)]
    if sections.store.is_sqlite:
        others += [
            ("the database ([store] url)", config.path(sections.store.path + suffix)) for suffix in ("", "-wal", "-shm")
        ]
    others += [(name, config.path(text)) for name, text in texts.items()]
    for name in ("[log] json_file", "[archive] gap_file"):
        path = config.path(texts[name]) if name in texts else None
        other = next((other for other, place in others if other != name and place == path), None)
        if other is not None:
            sentence = f'{name}: "{path}" is that of {other}, too, and would be spoiled: choose a file of its own'
            yield Finding(good=False, sentence=sentence, stops=True)


def _unexpanded(texts: Mapping[str, str]) -> Iterator[Finding]:
    """Look for names of files that only a shell, or a browser, understands."""
    for name, text in texts.items():
        if text.startswith(("~", "$", "file:")):
            # It is not repeated: somebody may have written a secret where the name of its file belongs.
            sentence = (
                f"{name}: it is taken as it stands: write the whole path, for ~, variables and file:// say nothing here"
            )
            yield Finding(good=False, sentence=sentence)


def _texts(config: Config) -> Mapping[str, str]:
    """Give the settings that are a text, by section and name."""
    found: dict[str, str] = {}
    sections = [*config.sections.model_dump().items(), *(("directory", one.model_dump()) for one in config.directories)]
    for section, values in sections:
        for key, value in values.items() if isinstance(values, dict) else ():
            if value and isinstance(value, str):
                found[f"[{section}] {key}"] = value
    return found


def _socket(path: Path) -> Iterator[Finding]:
    if len(os.fsencode(path.name)) > SOCKET_NAME_MOST:
        sentence = f"[admin] socket: its name is longer than {SOCKET_NAME_MOST} bytes: choose a shorter one"
        yield Finding(good=False, sentence=sentence, stops=True)
    yield from _in_folder("[admin] socket", path, stops=True)
    if path.is_file():
        sentence = f'[admin] socket: "{path}" is a file: move it away, or choose another name'
        yield Finding(good=False, sentence=sentence, stops=True)


def _in_folder(setting: str, path: Path, *, stops: bool) -> Iterator[Finding]:
    """Look whether a file can be made where a setting says."""
    folder = path.parent
    if not folder.is_dir():
        yield Finding(
            good=False,
            sentence=f'{setting}: there is no folder "{folder}": make it, for the user of the server, or correct the setting',
            stops=stops,
        )
    elif path.is_dir():
        yield Finding(
            good=False, sentence=f'{setting}: "{path}" is a folder: name a file in it, or another one', stops=stops
        )
    else:
        yield from _writable(setting, folder, stops=stops)


def _folder(setting: str, path: Path) -> Iterator[Finding]:
    """Look whether a folder that is made when it is needed can be made."""
    there = next((one for one in (path, *path.parents) if one.exists()), path)
    if not there.is_dir():
        yield Finding(good=False, sentence=f'{setting}: "{there}" is no folder: name another one')
    else:
        yield from _writable(setting, there, stops=False)


def _writable(setting: str, folder: Path, *, stops: bool) -> Iterator[Finding]:
    if not os.access(folder, os.W_OK | os.X_OK):
        sentence = f"{setting}: {unwritable(folder)}, or name another folder"
        yield Finding(good=False, sentence=sentence, stops=stops)


def _readable(setting: str, path: Path) -> Iterator[Finding]:
    try:
        with open_regular(path) as file:
            is_empty = not file.read(1)
    except OSError as error:
        sentence = f'{setting}: "{path}" cannot be read ({error.strerror}): write the passphrase into its first line, readable by the server alone'
        yield Finding(good=False, sentence=sentence)
    else:
        if is_empty:
            yield Finding(
                good=False, sentence=f'{setting}: "{path}" is empty: write the passphrase into its first line'
            )
