"""The folder for what leaves the archive: new folders with new files, readable by their owner alone."""

import os
import re
from typing import Final

from zope.interface import implementer

from lyncpy.backends.own_folder import OwnFolder, write_own
from lyncpy.contracts.archive import IExports
from lyncpy.contracts.workload import IUnit

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@implementer(IExports, IUnit)
class Exports(OwnFolder):
    """Writes files in new folders below one folder."""

    name = "exports"

    async def make_folder(self, name: str) -> str:
        """Make a new, empty folder of this name; give where it is, for people.

        Raises:
            ValueError: The name is none that a folder may have here, or is taken.
            OSError: The disk says no.
        """
        target = self._folder / _checked(name)

        def make() -> str:
            self.ensure_folder()
            try:
                target.mkdir(mode=0o700)
            except FileExistsError:
                raise ValueError(f'there is a "{name}" in "{self._folder}" already; choose another name') from None
            return str(target)

        return await self._threads.call_in_thread(make)

    async def write_file(self, name: str, file: str, content: bytes) -> None:
        """Write a file in the folder, or add to it; only its owner can read it. Raises as `make_folder`."""
        target = self._folder / _checked(name) / _checked(file)

        flags = os.O_CREAT | os.O_APPEND
        await self._threads.call_in_thread(lambda: write_own(target, content, flags, is_durable=True))


def _checked(name: str) -> str:
    """Give a name that leads nowhere else: no slash, and no dot in front."""
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{name[:80]}" is no name for a folder: up to 100 letters, digits, ".", "_" and "-" are')
    return name
