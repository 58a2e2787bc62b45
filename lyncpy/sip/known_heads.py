"""Heads of messages that are known to the byte, but for a few lines.

Of a talk's messages most lines are the same (`sip/shared.py`). Where a head has come before with the same names in the same order, it
is compared where it stands, piece by piece between the lines that vary, and only these are read. A head that differs anywhere
else is not known, and is read line by line; both give the same message.
"""

from typing import Final

from lyncpy.sip.layout import Layout, layout_of
from lyncpy.sip.message import Headers
from lyncpy.sip.shared import VARYING

_LENGTH: Final = "content-length"


class KnownHead:
    """A head that has been read.

    Args:
        start: Its start line.
        layout: The names of its fields, Content-Length once among them.
        lines: Its fields, each as it came.
    """

    __slots__ = ("_end", "_holes", "_layout", "_lines")

    def __init__(self, start: str, layout: Layout, lines: list[str]) -> None:
        keys = tuple([key for key in layout.keys if key != _LENGTH])
        self._layout = layout_of(keys)
        self._holes: list[tuple[bytes, int, int]] = []
        """What stands before each line that varies, its name included; how long its name is; its place. Content-Length comes last."""

        before, place = start, 0
        self._lines = [""] * (len(keys) + 1)  # but for those that vary: these may be long, and are not kept
        for key, line in zip(layout.keys, lines, strict=True):
            is_length = key == _LENGTH
            if key in VARYING:
                name = line[: line.index(":") + 1]
                self._holes.append((_bytes(f"{before}\r\n{name}"), len(name), len(keys) if is_length else place))
                before = ""
            else:
                before = f"{before}\r\n{line}"
                self._lines[place] = line
            place += not is_length
        self._end = _bytes(f"{before}\r\n\r\n")

    def read(self, data: bytes, at: int) -> tuple[Headers, str, int] | None:
        """Read such a head.

        Args:
            at: Where it begins.

        Returns:
            Its fields but for Content-Length; the line of that; and where the body begins. None: it is another.
        """
        lines = self._lines.copy()
        for before, size, place in self._holes:
            if not data.startswith(before, at):
                return None
            at += len(before)
            end = data.find(b"\r", at)
            line = data[at - size : end].decode("utf-8", "surrogateescape")
            if "\n" in line:
                return None
            lines[place] = line
            at = end
        if not data.startswith(self._end, at):
            return None
        length = lines.pop()
        return Headers.of_lines(self._layout, lines), length, at + len(self._end)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
