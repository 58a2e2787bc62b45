"""Entries as lines of a file."""

import json

from lyncpy.workloads.tracing.model.entry import TraceEntry, TraceEntryKind, merged, read_entries, sentence
from tests.kit.traces import SIGN_IN


def test_entries_are_read_as_they_were_written() -> None:
    """Also where the last line is half, as after a power failure, or is no entry at all."""
    lines = [entry.line() for entry in SIGN_IN]
    assert tuple(read_entries([*lines, lines[0][:50], b"[]", b"{}", b""])) == SIGN_IN


def test_a_line_has_the_time_for_people_and_for_sorting() -> None:
    """RFC 3339, and seconds since the epoch."""
    found = json.loads(SIGN_IN[0].line())
    assert (found["at"], found["seconds"], found["direction"]) == (
        "2023-11-14T22:13:20.250000Z",
        1_700_000_000.25,
        "in",
    )


def test_a_message_goes_from_one_end_to_the_other() -> None:
    """Which is which, the direction says."""
    asked, told = SIGN_IN[:2]
    assert (asked.source, asked.destination) == (told.destination, told.source)
    assert asked.source.address == "192.0.2.1"


def test_a_sentence_is_one_line() -> None:
    """Whatever stands in it is shown and does not steer a terminal."""
    assert sentence("a\nb\x1b[2J") == "a\\nb\\x1b[2J"


def test_a_change_that_each_server_has_heard_stands_once() -> None:
    """In order of time; one of the same words by the same server, or much later, is another."""

    def change(at: float, node: str, kind: TraceEntryKind = TraceEntryKind.STATE) -> TraceEntry:
        return TraceEntry(at, node, kind, "alice is away")

    first, heard, again, later = change(1.0, "n1"), change(1.5, "n2"), change(1.6, "n1"), change(9.0, "n2")
    message = change(1.2, "n2", TraceEntryKind.MESSAGE)
    assert merged([later, again, heard, message, first]) == [first, message, again, later]
