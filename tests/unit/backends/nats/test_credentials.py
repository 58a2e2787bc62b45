"""Seeds of nkeys, and what CONNECT says of us."""

import base64
import binascii

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lyncpy.backends.nats.credentials import Credentials, NkeyUnusable, read_nkey

# The pair that the documentation of NATS shows ("NKey authentication").
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def checked(raw: bytes) -> str:
    """Write a seed with a right check sum."""
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def test_a_seed_gives_the_public_key_that_the_server_knows() -> None:
    """And a signature that it can verify; the seed is in no text of it."""
    nkey = read_nkey(f"# the bus\n  {SEED}  \n")
    assert nkey.public == PUBLIC
    key = base64.b32decode(PUBLIC)[1:-2]
    signature = base64.urlsafe_b64decode(nkey.sign("a nonce") + "==")
    Ed25519PublicKey.from_public_bytes(key).verify(signature, b"a nonce")
    assert SEED not in repr(nkey) and "Private" not in repr(nkey)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there must be one line"),
        (PUBLIC, "there must be one line"),
        (f"{SEED}\n{SEED}", "there must be one line"),
        ("SU!!", "not base32"),
        ("SU", "1 bytes where 36 belong"),
        (SEED[:-2], "bytes where 36 belong"),
        (SEED.replace("KFSN", "KFSM"), "check sum"),
        (checked(bytes([18 << 3, 0]) + bytes(32)), "another kind"),
    ],
)
def test_what_is_no_seed_is_refused_without_being_shown(text: str, words: str) -> None:
    """An operator is told what is wrong."""
    with pytest.raises(NkeyUnusable, match=words) as refused:
        read_nkey(text)
    assert SEED[4:20] not in str(refused.value)


def test_a_password_is_in_no_text() -> None:
    """Only what CONNECT says has it."""
    credentials = Credentials("lyncpy", "s3cret")
    assert credentials.answer("") == {"user": "lyncpy", "pass": "s3cret"}
    assert "s3cret" not in repr(credentials)
    assert Credentials().answer("nonce") == {}
    assert Credentials(nkey=read_nkey(SEED)).answer("n").keys() == {"nkey", "sig"}
