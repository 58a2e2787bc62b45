"""What goes over the local socket: frames of a kind, a length and that many bytes.

| From the client | Holds |
|---|---|
| `B` | how it begins, as JSON: `mode` is "command", "script" or "prompt", `line` the command; `columns` and `rows` of a terminal, or null |
| `I` | input: bytes |
| `E` | nothing: there is no more input |
| `W` | the size of the terminal, as `B` has it |

| From the server | Holds |
|---|---|
| `O`, `X` | output, and error output: bytes |
| `S` | the exit status, one byte; nothing follows |
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BEGIN: Final = b"B"
INPUT: Final = b"I"
END: Final = b"E"
SIZE: Final = b"W"
OUT: Final = b"O"
ERROR: Final = b"X"
STATUS: Final = b"S"

FRAME_BYTES: Final = 131_072
"""The longest frame that is read; a longer output is several."""

_HEAD: Final = struct.Struct(">cI")
_CELLS_MOST: Final = 10_000


class BrokenFrame(ValueError):
    """What came is no frame of ours."""


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """Write data as one frame, or several of no more than `FRAME_BYTES`."""
    pieces = [data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES)] or [b""]
    return b"".join(_HEAD.pack(kind, len(piece)) + piece for piece in pieces)


class FrameReader:
    """Bytes, cut anywhere → frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def read(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give the frames that are whole: kind and data.

        Raises:
            BrokenFrame: One says that it is too long.
        """
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer)
            if length > FRAME_BYTES:
                raise BrokenFrame
            if len(self._buffer) < _HEAD.size + length:
                return
            body = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            del self._buffer[: _HEAD.size + length]
            yield kind, body


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a client begins, or the size that its terminal has got."""

    mode: str = ""
    line: str = ""
    columns: int | None = None
    rows: int | None = None

    def packed(self) -> bytes:
        """Write it as JSON."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode()


def read_beginning(data: bytes) -> Beginning:
    """Read JSON.

    Raises:
        BrokenFrame: It is not what it should be.
    """
    try:
        found = json.loads(data)
    except ValueError:
        raise BrokenFrame from None
    if not isinstance(found, dict) or not isinstance(found.get("mode"), str) or not isinstance(found.get("line"), str):
        raise BrokenFrame
    return Beginning(found["mode"], found["line"], _cells(found.get("columns")), _cells(found.get("rows")))


def _cells(value: object) -> int | None:
    is_size = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _CELLS_MOST
    return value if is_size and isinstance(value, int) else None
