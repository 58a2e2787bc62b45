"""Whether bytes are a JPEG picture, and how large: the header alone is read. Pure."""

from typing import Final

SEGMENTS_MOST: Final = 256
"""Before the size; a colour profile is the longest that cameras write, and has 255 at most (ICC.1 B.4)."""

SIDE_MOST: Final = 2_048
"""Points; a larger picture takes clients more memory than its bytes say."""

_START: Final = b"\xff\xd8"
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15; the others of these markers are tables (ITU-T T.81, table B.1)."""

_BARE: Final = frozenset({0x00, 0x01, *range(0xD0, 0xDB)})
"""What has no length, cannot stand here, or begins the picture itself (SOS)."""


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Give width and height of a JPEG picture in points; None for what is none (ITU-T T.81, B.2)."""
    at = len(_START)
    if not data.startswith(_START):
        return None
    for _ in range(SEGMENTS_MOST):
        if data[at : at + 1] != b"\xff":
            return None
        while data[at : at + 1] == b"\xff":
            at += 1
        marker, length = data[at : at + 1], int.from_bytes(data[at + 1 : at + 3], "big")
        if not marker or marker[0] in _BARE or length < 2:
            return None
        if marker[0] in _FRAMES:
            height, width = data[at + 4 : at + 6], data[at + 6 : at + 8]
            return (int.from_bytes(width, "big"), int.from_bytes(height, "big")) if len(width) == 2 else None
        at += 1 + length
    return None


def objection_to_photo(data: bytes, bytes_most: int) -> str:
    """Say why a picture is not shown to clients, for an operator; "" when it is.

    Args:
        data: As the directory has it.
        bytes_most: How large it may be.
    """
    if len(data) > bytes_most:
        return f"it has {len(data)} bytes, more than [provisioning] photo_size_kb allows ({bytes_most})"
    size = jpeg_size(data)
    if size is None:
        return "it is no JPEG picture"
    if not 0 < min(size) <= max(size) <= SIDE_MOST:
        return f"it is {size[0]} by {size[1]} points; 1 to {SIDE_MOST} a side are shown"
    return ""
