"""No bytes make TLS within SIP do anything but go on or fail, and what fails leaves no keys."""

import base64
from datetime import UTC, datetime
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from lyncpy.auth.inner_tls import InnerKeys, InnerTls, InnerTlsFailed, inner_context, joined
from tests.kit.certificates import issue
from tests.kit.inner_tls import Shown
from tests.kit.key_pairs import key_of
from tests.kit.tls_dsk_client import HandTls, records

TODAY: Final = datetime(2026, 7, 20, tzinfo=UTC)
CONTEXT: Final = inner_context([Shown(issue("fe1.contoso.test", today=TODAY, key=key_of("server")))])
ALICE: Final = issue("alice", today=TODAY, key=key_of("alice")).certificate.public_bytes(Encoding.DER)


def recorded() -> tuple[bytes, bytes]:
    """Give both flights of a client, as somebody may have overheard them."""
    client, side = HandTls(ALICE, key_of("alice")), InnerTls(CONTEXT)
    hello = client.hello()
    answer, _ = side.receive(base64.b64encode(hello).decode())
    return hello, client.prove(base64.b64decode(answer))


HELLO, PROOF = recorded()


def said(side: InnerTls, data: bytes) -> InnerKeys | None:
    """Hand over a flight."""
    try:
        return side.receive(base64.b64encode(data).decode())[1]
    except InnerTlsFailed as failed:
        assert str(failed)
        return None


def changed(data: bytes, changes: list[tuple[float, int]]) -> bytes:
    """Give a flight with some bytes that are others."""
    found = bytearray(data)
    for at, byte in changes:
        found[int(at * len(found))] = byte
    return bytes(found)


changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8)


@given(st.binary(max_size=400), st.binary(max_size=400))
@example(b"", b"")
def test_any_bytes_fail_or_go_on(first: bytes, second: bytes) -> None:
    """Alone, and behind a good beginning."""
    side = InnerTls(CONTEXT)
    assert said(side, first) is None
    assert said(side, second) is None
    good = InnerTls(CONTEXT)
    said(good, HELLO)
    assert said(good, second) is None


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(changes, changes)
def test_any_change_fails_or_goes_on(of_hello: list[tuple[float, int]], of_proof: list[tuple[float, int]]) -> None:
    """What was overheard once, changed or not, ends in no keys: the server's numbers are others."""
    side = InnerTls(CONTEXT)
    said(side, changed(HELLO, of_hello))
    assert said(side, changed(PROOF, of_proof)) is None


@given(st.text(max_size=50))
def test_any_text_fails_or_goes_on(text: str) -> None:
    """A token may be no base64 at all."""
    try:
        assert InnerTls(CONTEXT).receive(text)[1] is None
    except InnerTlsFailed as failed:
        assert str(failed)


@given(st.lists(st.tuples(st.sampled_from((20, 22, 23)), st.binary(max_size=9000)), max_size=6))
def test_joining_records_keeps_what_they_say(all_records: list[tuple[int, bytes]]) -> None:
    """The same bytes of the same kinds in the same order, in records that TLS allows."""
    flight = b"".join(bytes([kind, 3, 1]) + len(data).to_bytes(2, "big") + data for kind, data in all_records)
    after = records(joined(flight))
    assert [(kind, byte) for kind, data in after for byte in data] == [
        (kind, byte) for kind, data in all_records for byte in data
    ]
    assert all(len(data) <= 16_384 for _, data in after)
