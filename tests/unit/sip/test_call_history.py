"""Where a call has been, written and read."""

import pytest

from lyncpy.sip.call_history import MOST, HistoryEntry, read_diverters, write_diversion, write_history
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers

BOB, CAROL, DAVE = (f"sip:{name}@example.com" for name in ("bob", "carol", "dave"))


def test_history_names_each_place_behind_the_one_before() -> None:
    """With why it went on from there, and whether that is a private line."""
    assert write_history([HistoryEntry(BOB)]) == f"<{BOB}>;index=1"
    assert write_history([HistoryEntry(BOB, is_private=True)]) == f"<{BOB}>;index=1;ms-line-type=private"
    entries = [HistoryEntry(BOB, "forwarding"), HistoryEntry(CAROL, "forwarding"), HistoryEntry(DAVE)]
    assert write_history(entries) == (
        f"<{BOB}>;index=1;ms-retarget-reason=forwarding, <{CAROL}>;index=1.1;ms-retarget-reason=forwarding, <{DAVE}>;index=1.1.1"
    )


def test_diversion_names_the_latest_first() -> None:
    """Why is known of that one alone."""
    assert write_diversion([BOB, CAROL], "no-answer") == f"<{CAROL}>;reason=no-answer, <{BOB}>;reason=unknown"


@pytest.mark.parametrize(
    ("fields", "been"),
    [
        ([], ()),
        ([("History-Info", f"<{BOB}>;index=1")], ()),
        (
            [("History-Info", f"<{BOB}>;index=1, <{CAROL}>;index=1.1"), ("History-Info", f"<{DAVE}>;index=1.1.1")],
            (BOB, CAROL),
        ),
        ([("Diversion", f"<{BOB}>;reason=unknown"), ("CC-Diversion", f"<{CAROL}>")], (BOB,)),
        ([("CC-Diversion", f"<{CAROL}>"), ("History-Info", f"<{BOB}>;index=1, <{DAVE}>;index=1.1")], (CAROL,)),
    ],
)
def test_who_has_had_a_call_is_read_from_the_first_that_says_so(
    fields: list[tuple[str, str]], been: tuple[str, ...]
) -> None:
    """Diversion, then CC-Diversion, then History-Info, whose last address is whom the call is for."""
    assert read_diverters(Headers(fields)) == been


@pytest.mark.parametrize("value", ["<sip:", ", ".join(f"<sip:u{n}@example.com>" for n in range(MOST + 1))])
def test_what_cannot_be_read_or_is_too_much_is_refused(value: str) -> None:
    """No call has been at so many places, but one that goes round."""
    with pytest.raises(RemoteProtocolError):
        read_diverters(Headers([("Diversion", value)]))
