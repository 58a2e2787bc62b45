"""Whether a request is from who has proven to send it."""

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.core.called_as import CalledAs
from lyncpy.core.senders import is_from
from lyncpy.sip.message import Headers, Request

ALICE = Aor("sip:alice@example.com")


def is_hers(from_: str, to: str = "<sip:bob@example.com>;tag=2") -> bool:
    """Tell whether Alice may send a request with this From; her number is +15550100."""
    headers = Headers([("From", f"{from_};tag=1"), ("To", to), ("Call-ID", "x"), ("CSeq", "1 INFO")])
    return is_from(
        Request("INFO", "sip:bob@example.com", headers), ALICE, lambda aor: {"tel:+15550100"}, CalledAs(bytes)
    )


@pytest.mark.parametrize(
    "from_",
    [
        f"<{ALICE}>",
        "Alice <sip:Alice@EXAMPLE.com>",
        "<tel:+1-555-0100>",
        "<sip:+15550100@example.com;user=phone>",
    ],
)
def test_a_sender_is_their_address_or_their_number(from_: str) -> None:
    """Who was called by a number has it as their own address in the dialog."""
    assert is_hers(from_)


@pytest.mark.parametrize(
    "from_",
    [
        "<sip:bob@example.com>",
        f'"<{ALICE}>" <sip:bob@example.com>',
        "<tel:+15550101>",
        "<tel:+15550100;ext=1>",
        "<sip:bob@example.com;user=phone>",
    ],
)
def test_nobody_sends_in_the_name_of_others(from_: str) -> None:
    """Another address, another number, and what only looks like the own one."""
    assert not is_hers(from_)


def test_a_number_is_a_sender_within_a_dialog_only() -> None:
    """Nothing begins in the name of a number."""
    assert not is_hers("<tel:+15550100>", to="<sip:bob@example.com>")
