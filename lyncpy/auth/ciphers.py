"""MD4 and RC4, which NTLM is made of and which libraries have dropped or are about to.

Neither protects anything here by itself: MD4 turns a password into the hash that Windows
keeps, RC4 wraps one key at sign-in and gives eight constant bytes per direction. Nothing
in this module is fast, and nothing that runs for every message calls it.
"""

import struct
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
except ImportError:  # pragma: no cover - a later release may drop it; the loop below serves then
    ARC4 = None  # type: ignore[assignment,misc]  # absent class

_MASK: Final = 0xFFFFFFFF

# RFC 1320 §3.4: for each round its constant, the order of the words, and the four shifts.
_ROUNDS: Final = (
    (0x00000000, tuple(range(16)), (3, 7, 11, 19)),
    (0x5A827999, (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13)),
    (0x6ED9EBA1, (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15)),
)


def md4(data: bytes) -> bytes:
    """Give the 16 bytes of the MD4 digest.

    Spec: RFC 1320 §3.
    """
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data) & 0xFFFFFFFFFFFFFFFF)
    state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
    for offset in range(0, len(padded), 64):
        state = _md4_block(state, struct.unpack_from("<16I", padded, offset))
    return struct.pack("<4I", *state)


def _md4_block(state: tuple[int, int, int, int], words: tuple[int, ...]) -> tuple[int, int, int, int]:
    a, b, c, d = state
    for number, (constant, order, shifts) in enumerate(_ROUNDS):
        for step, word in enumerate(order):
            if number == 0:
                mixed = (b & c) | (~b & d)
            elif number == 1:
                mixed = (b & c) | (b & d) | (c & d)
            else:
                mixed = b ^ c ^ d
            value = (a + mixed + words[word] + constant) & _MASK
            shift = shifts[step % 4]
            a, b, c, d = d, ((value << shift) | (value >> (32 - shift))) & _MASK, b, c
    return tuple((old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True))  # type: ignore[return-value]  # four of them


def rc4(key: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt with RC4, from the start of the key stream; the key has 5, 7 or 16 bytes."""
    return _library_rc4(key, data) if _LIBRARY_HAS_RC4 else plain_rc4(key, data)


def plain_rc4(key: bytes, data: bytes) -> bytes:
    """Encrypt with RC4 without a library."""
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) & 0xFF
        box[i], box[j] = box[j], box[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) & 0xFF
        j = (j + box[i]) & 0xFF
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) & 0xFF])
    return bytes(out)


def _library_rc4(key: bytes, data: bytes) -> bytes:
    return Cipher(ARC4(key), None).encryptor().update(data)


def _library_has_rc4() -> bool:
    """Try it once: OpenSSL has RC4 in its legacy provider, which an installation may lack or forbid."""
    if ARC4 is None:  # pragma: no cover - see the import
        return False
    try:
        return _library_rc4(bytes(16), bytes(16)) == plain_rc4(bytes(16), bytes(16))
    except UnsupportedAlgorithm:  # pragma: no cover - depends on the machine
        return False


_LIBRARY_HAS_RC4: Final = _library_has_rc4()
