"""The organisation's icon on pages: the operator's file, or one of ours."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.file_stamp import Stamp, stamp_of
from lyncpy.contracts.regular_file import open_regular

ICON_BYTES: Final = 262_144
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_OURS: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1a5fb4"/>'
    b'<path fill="#fff" d="M9 8h14a3 3 0 0 1 3 3v7a3 3 0 0 1-3 3h-6l-5 4.5V21H9a3 3 0 0 1-3-3v-7a3 3 0 0 1 3-3z"/></svg>\n'
)


class IconUnusable(Exception):
    """The file is no icon; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class SiteIcon:
    """A picture."""

    content: bytes
    media_type: str

    @property
    def etag(self) -> str:
        """Give its validator."""
        return hashlib.sha256(self.content).hexdigest()[:16]


OUR_ICON: Final = SiteIcon(_OURS, "image/svg+xml")


class IconFile:
    """The icon in use: the operator's, or ours until there is one that can be used.

    Args:
        file: Of the operator; None: there is none.
    """

    log = Logger()

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.icon = OUR_ICON
        self.stamp: Stamp = self.seen()
        # What is wrong with the file is a finding of the start, and a condition.
        with suppress(IconUnusable):
            self.icon = self.read()

    def seen(self) -> Stamp:
        """Look at the file, without reading it; may be done in a thread."""
        return stamp_of([] if self._file is None else [self._file])

    def read(self) -> SiteIcon:
        """Read the file; nothing changes. It may be done in a thread.

        Raises:
            IconUnusable: See `read_icon`.
        """
        return OUR_ICON if self._file is None else read_icon(self._file)

    def adopt(self, icon: SiteIcon, stamp: Stamp) -> None:
        """Show this one from now on."""
        self.icon, self.stamp = icon, stamp
        self.log.info("[web] icon was read again, and is shown on pages")


def read_icon(file: Path) -> SiteIcon:
    """Read an icon.

    Raises:
        IconUnusable: It cannot be read, is too large, or neither PNG nor SVG.
    """
    try:
        with open_regular(file) as opened:
            content = opened.read(ICON_BYTES + 1)
    except OSError as error:
        raise IconUnusable(f"[web] icon: {file} cannot be read: {error.strerror}") from None
    if len(content) > ICON_BYTES:
        raise IconUnusable(f"[web] icon: {file} is larger than {ICON_BYTES} bytes; take a smaller picture")
    if content.startswith(_PNG):
        return SiteIcon(content, "image/png")
    if b"<svg" in content[:4096]:
        return SiteIcon(content, "image/svg+xml")
    raise IconUnusable(f"[web] icon: {file} is neither PNG nor SVG; save the picture as one of them")
