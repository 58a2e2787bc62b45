"""A probe's side of TLS within SIP, against the server's own."""

import re
from datetime import UTC, datetime

import pytest

from lyncpy.app.probes.tls_dsk import TlsDskKeys
from lyncpy.auth.inner_tls import InnerTls, KeyedHash, inner_context
from lyncpy.auth.ntlm_client import BadChallenge
from lyncpy.sip.message import Request
from tests.kit.certificates import issue
from tests.kit.gatehouse import request_of
from tests.kit.inner_tls import Shown
from tests.kit.key_pairs import key_of

TODAY = datetime(2026, 7, 20, tzinfo=UTC)
SERVER = Shown(issue("fe1.contoso.test", today=TODAY, key=key_of("server")))
NAMES = 'realm="R", targetname="fe1.contoso.test"'


def challenge(token: str = "", opaque: str = "AB") -> str:
    """Write a challenge."""
    return f'TLS-DSK {NAMES}, version=4, opaque="{opaque}", gssapi-data="{token}"'


def token_of(request: Request) -> str:
    """Give the token that a REGISTER has."""
    (found,) = re.findall('gssapi-data="([^"]*)"', request.headers.get("Authorization") or "")
    return str(found)


@pytest.fixture
def keys() -> TlsDskKeys:
    """Give what Alice's device proves itself with."""
    return TlsDskKeys(issue("alice", today=TODAY, key=key_of("alice")).certificate, key_of("alice"))


def test_both_sides_agree_on_keys(keys: TlsDskKeys) -> None:
    """Two flights, and a signed REGISTER without a token; each side believes the other's signatures alone."""
    server, register = InnerTls(inner_context([SERVER])), request_of("sip:alice@contoso.test", "REGISTER")
    assert keys.goes_on(f"TLS-DSK {NAMES}")
    first, _ = server.receive(token_of(keys.answer(register, f"TLS-DSK {NAMES}")))
    last, agreed = server.receive(token_of(keys.answer(register, challenge(first))))
    assert agreed is not None
    signed = keys.answer(register, challenge(last)).headers.get("Authorization") or ""
    assert 'opaque="AB"' in signed and "gssapi-data" not in signed and 'response="' in signed
    assert KeyedHash(agreed.client).holds(b"a text", keys.mac(b"a text"))
    assert keys.is_theirs(b"a text", KeyedHash(agreed.server).hex(b"a text"))
    assert not keys.is_theirs(b"another", KeyedHash(agreed.server).hex(b"a text"))
    assert not keys.goes_on(f"TLS-DSK {NAMES}")
    keys.restart()
    assert keys.goes_on(f"TLS-DSK {NAMES}")
    assert not keys.is_theirs(b"a text", KeyedHash(b"").hex(b"a text"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('TLS-DSK realm="R"', "cannot be read"),
        (challenge("%%%"), "no base64"),
        (challenge("AAAAAAAAAAAAAAAA"), "TLS within SIP failed: "),
    ],
)
def test_a_challenge_that_leads_nowhere_is_told(keys: TlsDskKeys, said: str, words: str) -> None:
    """In words."""
    with pytest.raises(BadChallenge, match=words):
        keys.answer(request_of("sip:alice@contoso.test", "REGISTER"), said)
