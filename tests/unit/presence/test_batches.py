"""Whom clients want to watch, read; hostile documents refused."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.presence.batches import DEFAULT_CATEGORIES, read_batch, read_list
from tests.kit.presence import adrl_body, batch_body

ALICE = "sip:alice@contoso.test"


def test_reads_a_batch() -> None:
    """All contacts come in one request."""
    uris = ["sip:Bob@contoso.test", "sip:carol@contoso.test", "sip:Bob@contoso.test"]
    (action,) = read_batch(batch_body(ALICE, uris))
    assert action.subscribes
    assert action.id == "63792024"
    assert [(one.uri, one.aor) for one in action.resources] == [
        ("sip:Bob@contoso.test", "sip:bob@contoso.test"),
        ("sip:carol@contoso.test", "sip:carol@contoso.test"),
    ]
    assert action.categories == {"calendarData", "contactCard", "note", "state"}


def test_a_batch_without_categories_gets_the_usual_ones() -> None:
    """A client that names none sees what Lync shows."""
    assert read_batch(batch_body(ALICE, ["sip:b@x"], categories=()))[0].categories == DEFAULT_CATEGORIES


@pytest.mark.parametrize(
    "body",
    [
        batch_body(ALICE, ["sip:b@x"], action="explode"),
        batch_body(ALICE, ["sip:b@x"], categories=["a b"]),
        batch_body(ALICE, ["sip:b@x"], categories=[f"c{n}" for n in range(100)]),
        b"<adhoclist/>",
        b"<batchSub",
    ],
    ids=["no action", "no category", "too many categories", "another document", "no XML"],
)
def test_refuses_a_batch_that_is_none(body: bytes) -> None:
    """A batch asks to begin or to end, for categories that can exist."""
    with pytest.raises(RemoteProtocolError):
        read_batch(body)


def test_reads_a_list_of_a_client_from_before_2007() -> None:
    """It is created, added to and taken from; an empty change changes nothing."""
    found = read_list(adrl_body(ALICE, create=["sip:b@x"], add=["sip:c@x"], delete=["sip:d@x"]))
    assert [(one.subscribes, [r.aor for r in one.resources]) for one in found] == [
        (True, ["sip:b@x"]),
        (True, ["sip:c@x"]),
        (False, ["sip:d@x"]),
    ]
    assert read_list(adrl_body(ALICE, delete=[])) == ()


@pytest.mark.parametrize("body", [b"<adhoclist><explode/></adhoclist>", b"<batchSub/>"])
def test_refuses_a_list_that_is_none(body: bytes) -> None:
    """Nothing else can be done to a list."""
    with pytest.raises(RemoteProtocolError):
        read_list(body)
