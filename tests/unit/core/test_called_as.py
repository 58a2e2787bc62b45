"""Whom a device was rung for: a mark that nobody else can make, and that is of one dialog."""

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.core.called_as import CalledAs
from lyncpy.sip.message import Headers, Request

BOB, CAROL, DAVE = (Aor(f"sip:{name}@example.com") for name in ("bob", "carol", "dave"))
CALLED_AS = CalledAs(lambda text: b"key" + text)


def request(from_: str, to: str, call_id: str = "x", route: str = "") -> Request:
    """Write what matters of a request."""
    fields = [("From", from_), ("To", to), ("Call-ID", call_id), ("CSeq", "1 INFO")]
    return Request("INFO", BOB, Headers([*fields, *([("Route", route)] if route else [])]))


MARKED = CALLED_AS.marked("sip:fe1.example.com:5061;lr", request("<sip:alice@example.com>;tag=1", f"<{BOB}>"), CAROL)
INSIDE = "<sip:alice@example.com>;tag=1"


@pytest.mark.parametrize(
    ("from_", "to", "call_id", "route", "sender", "is_marked"),
    [
        (BOB, INSIDE, "x", f"<{MARKED}>", CAROL, True),
        (BOB, INSIDE, "x", f"<{MARKED}>, <sip:other.example.com;lr>", CAROL, True),
        (BOB, INSIDE, "x", f"<{MARKED}>", DAVE, False),
        (DAVE, INSIDE, "x", f"<{MARKED}>", CAROL, False),
        (BOB, INSIDE, "y", f"<{MARKED}>", CAROL, False),
        (BOB, "<sip:alice@example.com>", "x", f"<{MARKED}>", CAROL, False),
        (BOB, INSIDE, "x", "", CAROL, False),
        (BOB, INSIDE, "x", "<sip:fe1.example.com;lr>", CAROL, False),
        (BOB, INSIDE, "x", "<sip:fe1.example.com;ms-called=0;lr>", CAROL, False),
        (BOB, INSIDE, "x", "<sip:fe1.example.com;ms-called=\u00e9;lr>", CAROL, False),
        (BOB, INSIDE, "x", "<sip:fe1.example.com;ms-called;lr>", CAROL, False),
        (BOB, INSIDE, "x", "<ms-called", CAROL, False),
    ],
)
def test_a_mark_is_of_one_user_in_one_dialog(
    from_: str, to: str, call_id: str, route: str, sender: Aor, is_marked: bool
) -> None:
    """Made of who is rung, for whom, and in which dialog; and repeated by it in Route."""
    assert CALLED_AS.is_marked(request(f"<{from_}>;tag=2", to, call_id, route), sender) is is_marked
