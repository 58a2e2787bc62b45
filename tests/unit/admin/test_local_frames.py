"""What goes over the local socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.workloads.admin.local_frames import (
    FRAME_BYTES,
    INPUT,
    OUT,
    Beginning,
    BrokenFrame,
    FrameReader,
    frame,
    read_beginning,
)


@given(st.lists(st.tuples(st.sampled_from([INPUT, OUT]), st.binary(max_size=40)), max_size=5), st.integers(1, 7))
def test_frames_are_read_however_they_are_cut(frames: list[tuple[bytes, bytes]], size: int) -> None:
    """All of them, in order."""
    written = b"".join(frame(kind, data) for kind, data in frames)
    reader = FrameReader()
    pieces = [written[at : at + size] for at in range(0, len(written), size)]
    assert [one for piece in pieces for one in reader.read(piece)] == frames


def test_long_output_is_several_frames_and_a_long_frame_is_refused() -> None:
    """Whoever says a gigabyte is not waited for."""
    found = list(FrameReader().read(frame(OUT, b"x" * (FRAME_BYTES + 1))))
    assert [len(data) for _, data in found] == [FRAME_BYTES, 1]
    with pytest.raises(BrokenFrame):
        list(FrameReader().read(b"I\xff\xff\xff\xff"))


def test_a_beginning_is_read_as_it_was_written() -> None:
    """Sizes that no terminal has are none."""
    said = Beginning("prompt", "users", 80, 24)
    assert read_beginning(said.packed()) == said
    assert read_beginning(b'{"mode": "command", "line": "x", "columns": -1, "rows": true}') == Beginning("command", "x")


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"mode": 1, "line": "x"}', b'{"mode": "command"}'])
def test_what_is_no_beginning_is_refused(data: bytes) -> None:
    """In the one way that frames are."""
    with pytest.raises(BrokenFrame):
        read_beginning(data)
