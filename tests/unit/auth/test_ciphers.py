"""MD4 and RC4 against published vectors."""

import pytest

from lyncpy.auth.ciphers import md4, plain_rc4, rc4


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_gives_the_digests_of_its_rfc(text: bytes, digest: str) -> None:
    """MD4 agrees with RFC 1320, appendix A.5, also over more than one block."""
    assert md4(text).hex() == digest


@pytest.mark.parametrize("length", [55, 56, 63, 64, 119, 120])
def test_md4_pads_at_every_border(length: int) -> None:
    """The digest has sixteen bytes wherever the end of the text falls in a block, and no two agree."""
    assert len(md4(bytes(length))) == 16
    assert md4(bytes(length)) != md4(bytes(length + 1))


@pytest.mark.parametrize(
    ("key", "stream"),
    [
        ("0102030405", "b2396305f03dc027ccc3524a0a1118a8"),
        ("0102030405060708090a0b0c0d0e0f10", "9ac7cc9a609d1ef7b2932899cde41b97"),
    ],
)
def test_rc4_agrees_with_and_without_a_library(key: str, stream: str) -> None:
    """RC4 gives the streams of RFC 6229 on every machine, whether OpenSSL still has it or not."""
    assert rc4(bytes.fromhex(key), bytes(16)).hex() == stream
    assert plain_rc4(bytes.fromhex(key), bytes(16)).hex() == stream
