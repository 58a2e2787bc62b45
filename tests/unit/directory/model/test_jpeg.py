"""What is a JPEG picture by its header, and is not too large."""

import pytest

from lyncpy.workloads.directory.model.jpeg import SEGMENTS_MOST, jpeg_size, objection_to_photo
from tests.kit.directory import JPEG

START = b"\xff\xd8"
COMMENT = b"\xff\xfe\x00\x04ab"
FRAME = b"\xff\xc2\x00\x0b\x08\x00\x30\x00\x40\x01\x01\x11\x00"


@pytest.mark.parametrize(
    "data",
    [
        JPEG,
        START + FRAME,
        START + COMMENT * 3 + FRAME,
        START + b"\xff\xff" + FRAME,
        START + b"\xff\xc4\x00\x02" + FRAME,
    ],
)
def test_the_size_of_a_picture_is_read(data: bytes) -> None:
    """Baseline or progressive, behind comments and tables."""
    assert jpeg_size(data) == (64, 48)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"GIF89a",
        b"<script>",
        START,
        START + b"\xff",
        START + b"\xff\xff\xff",
        START + b"x" + FRAME,
        START + FRAME[:7],
        START + FRAME[:8],
        START + b"\xff\xfe\x00\x01" + FRAME,
        START + b"\xff\xfe\xff\xff" + FRAME,
        START + b"\xff\xda\x00\x04ab" + FRAME,
        START + b"\xff\xd9" + FRAME,
        START + b"\xff\x00\x00\x04ab" + FRAME,
        START + COMMENT * SEGMENTS_MOST + FRAME,
    ],
)
def test_what_is_no_picture_has_no_size(data: bytes) -> None:
    """Truncated, another format, or with a picture that begins before its frame."""
    assert jpeg_size(data) is None
    assert objection_to_photo(data, 1 << 20) == "it is no JPEG picture"


def test_a_picture_is_shown_unless_it_is_too_large() -> None:
    """In bytes, or in points a side: a few bytes can mean a picture of gigabytes."""
    assert objection_to_photo(JPEG, len(JPEG)) == ""
    assert f"{len(JPEG)} bytes, more than [provisioning] photo_size_kb" in objection_to_photo(JPEG, len(JPEG) - 1)
    wide = JPEG.replace(b"\x00\x30\x00\x40", b"\x00\x30\x08\x01")
    assert objection_to_photo(wide, 1000).startswith("it is 2049 by 48 points")
    flat = JPEG.replace(b"\x00\x30\x00\x40", b"\x00\x00\x00\x40")
    assert objection_to_photo(flat, 1000).startswith("it is 64 by 0 points")
