"""NTLM as SIP and the site use it: the acceptor of [MS-NLMP], for SIP in its connectionless form, as pure functions.

On SIP there is no NEGOTIATE message: the server speaks first. Only NTLMv2 with 128-bit
session keys is accepted. A MIC in the AUTHENTICATE message is not looked at: clients of
this protocol send none. From version 4 on they sign the same REGISTER, which proves the
session key just as well ([MS-SIPAE] 3.2.5); older ones sign what comes after it. Over HTTP
nothing is signed: there the service that the client has named in its proof has to be this one.

Nothing here knows people, time or messages; `authenticator` brings these together.
"""

import base64
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import md5
from typing import Final

from lyncpy.auth.ciphers import md4, rc4
from lyncpy.auth.signing import same_digits
from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError

# [MS-NLMP] 2.2.2.5
UNICODE: Final = 0x00000001
EXTENDED_SESSIONSECURITY: Final = 0x00080000
KEY_128: Final = 0x20000000
KEY_EXCHANGE: Final = 0x40000000

OFFERED: Final = 0xE2998255
"""What our CHALLENGE negotiates. Clients demand each of UNICODE, SIGN, DATAGRAM, NTLM, ALWAYS_SIGN,
EXTENDED_SESSIONSECURITY, IDENTIFY, TARGET_INFO and KEY_EXCHANGE; the rest is REQUEST_TARGET, VERSION, 128 and 56."""

OFFERED_ALONE: Final = 0xA2898205
"""What our CHALLENGE negotiates where nothing is signed afterwards, as over HTTP: UNICODE, REQUEST_TARGET, NTLM, ALWAYS_SIGN,
EXTENDED_SESSIONSECURITY, TARGET_INFO, VERSION, 128 and 56; no keys are exchanged."""

_REQUIRED: Final = UNICODE | EXTENDED_SESSIONSECURITY | KEY_128 | KEY_EXCHANGE

SEQUENCE: Final = struct.pack("<I", 100)
"""The sequence number of every signature on SIP, in both directions ([MS-SIPAE] 3.2.5)."""

TOKEN_CHARACTERS: Final = 16384
"""The longest `gssapi-data` that is looked at. A real AUTHENTICATE message has about 600 characters."""

_MESSAGE: Final = "the NTLM message"
_SIGNATURE: Final = b"NTLMSSP\x00"
_VERSION: Final = bytes.fromhex("0601b11d0000000f")
_FILETIME_OF_EPOCH: Final = 116444736000000000
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
"""What becomes of each byte of a key in HMAC (RFC 2104 §2)."""
_FIRST_PAIR: Final = 28
"""Where the attribute pairs begin in what the proof covers."""

_TARGET_NAME: Final = 9
"""MsvAvTargetName ([MS-NLMP] 2.2.2.1)."""


@dataclass(frozen=True, slots=True)
class ServerNames:
    """How this server names itself in a CHALLENGE."""

    netbios_domain: str
    netbios_computer: str
    dns_domain: str
    dns_computer: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """A client's AUTHENTICATE message with an NTLMv2 response. Its bytes are kept out of logs."""

    flags: int
    domain: str
    user: str
    workstation: str
    proof: bytes = field(repr=False)
    """NTProofStr, 16 bytes."""
    blob: bytes = field(repr=False)
    """What the proof covers besides the challenge ([MS-NLMP] 2.2.2.7)."""
    session_key: bytes = field(repr=False)
    """EncryptedRandomSessionKey, 16 bytes; empty where no keys are exchanged."""
    targets: tuple[str, ...] = ()
    """The services to which the client has addressed the proof, as it wrote them; empty: to none. See `Addressee`."""

    @property
    def account(self) -> str:
        """The name as a person would write it."""
        return f"{self.domain}\\{self.user}" if self.domain else self.user

    @property
    def at(self) -> float:
        """The client's clock, seconds since the epoch."""
        return int((int.from_bytes(self.blob[8:16], "little") - _FILETIME_OF_EPOCH) // 10_000) / 1000


def nt_hash(password: str) -> bytes:
    """Compute the NT hash of a password, which is what is stored.

    Spec: [MS-NLMP] 3.3.1 (NTOWFv1).
    """
    return md4(password.encode("utf-16-le", "surrogatepass"))


def ntowf_v2(secret: bytes, user: str, domain: str) -> bytes:
    """Give the key of one user's responses; `user` is in upper case already, `domain` as the client sent it.

    Spec: [MS-NLMP] 3.3.2.
    """
    return hmac.digest(secret, (user + domain).encode("utf-16-le", "surrogatepass"), "md5")


def write_challenge(challenge: bytes, place: ServerNames, wall: float | None, offered: int = OFFERED) -> str:
    """Write a CHALLENGE message, in base64.

    Args:
        challenge: Eight random bytes.
        wall: Our clock, seconds since the epoch, or None to leave it out. A client that
            sees it answers with it instead of its own clock.
        offered: What it negotiates: `OFFERED` or `OFFERED_ALONE`.

    Spec: [MS-NLMP] 2.2.1.2, 2.2.2.1.
    """
    target, info = _said_of(place)
    if wall is not None:
        info += _av_pair(7, struct.pack("<Q", int(wall * 1000) * 10_000 + _FILETIME_OF_EPOCH))
    # Clients walk this list until its end mark without looking at its length.
    info += _av_pair(0, b"")
    head = struct.pack(
        "<8sIHHII8s8sHHI8s",
        _SIGNATURE,
        2,
        *(len(target), len(target), 56),
        offered,
        challenge,
        bytes(8),
        *(len(info), len(info), 56 + len(target)),
        _VERSION,
    )
    return base64.b64encode(head + target + info).decode("ascii")


@lru_cache(maxsize=8)  # a server has one place for all
def _said_of(place: ServerNames) -> tuple[bytes, bytes]:
    """Give the target's name, and the attribute pairs that are the same in every challenge."""
    pairs = [(2, place.netbios_domain), (1, place.netbios_computer), (4, place.dns_domain), (3, place.dns_computer)]
    info = b"".join(_av_pair(kind, text.encode("utf-16-le")) for kind, text in pairs)
    return place.netbios_domain.encode("utf-16-le"), info


def _av_pair(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, len(value)) + value


def is_negotiate(token: str) -> bool:
    """Tell whether base64 holds a client's NEGOTIATE message, which asks for a challenge; nothing in it is looked at.

    Raises:
        RemoteProtocolError: It is too long, or no base64.

    Spec: [MS-NLMP] 2.2.1.1.
    """
    return read_base64(token, TOKEN_CHARACTERS, _MESSAGE)[:12] == _SIGNATURE + b"\x01\x00\x00\x00"


def read_authenticate(token: str, offered: int = OFFERED) -> Authenticate:
    """Read a client's AUTHENTICATE message from base64.

    Args:
        offered: What the challenge negotiated; of that a client may leave out what is of no consequence.

    Raises:
        RemoteProtocolError: It is not one, reaches outside of itself, negotiates less than
            we demand, or answers with LM or NTLMv1.

    Spec: [MS-NLMP] 2.2.1.3.
    """
    data = read_base64(token, TOKEN_CHARACTERS, _MESSAGE)
    # The fixed part, the signature and the message type 3.
    if len(data) < 64 or data[:8] != _SIGNATURE or data[8:12] != b"\x03\x00\x00\x00":
        raise RemoteProtocolError("not an NTLM AUTHENTICATE message")
    (flags,) = struct.unpack_from("<I", data, 60)
    required = _REQUIRED & offered
    if flags & required != required:
        raise RemoteProtocolError(f"the NTLM message negotiates too little: flags 0x{flags:08X}")
    response = _field(data, 20)
    # NTLMv1 and LM answers have 24 bytes; the shortest NTLMv2 answer has its proof and an empty list.
    if len(response) < 16 + 28 or response[16:18] != b"\x01\x01":
        raise RemoteProtocolError("the response is not NTLMv2")
    # Where KEY_EXCH is demanded the client sends its own key, encrypted; elsewhere there is nothing to do with one.
    session_key = _field(data, 52) if required & KEY_EXCHANGE else b""
    if required & KEY_EXCHANGE and len(session_key) != 16:
        raise RemoteProtocolError(f"the session key has {len(session_key)} bytes")
    blob = response[16:]
    return Authenticate(
        flags=flags,
        domain=_text(data, 28),
        user=_text(data, 36),
        workstation=_text(data, 44),
        proof=response[:16],
        blob=blob,
        session_key=session_key,
        targets=_target_names(blob),
    )


def _field(data: bytes, at: int) -> bytes:
    length, _, offset = struct.unpack_from("<HHI", data, at)
    if offset + length > len(data) or (length and offset < 64):
        raise RemoteProtocolError("a field of the NTLM message lies outside of it")
    return data[offset : offset + length]


def _text(data: bytes, at: int) -> str:
    try:
        return _field(data, at).decode("utf-16-le")
    except UnicodeDecodeError:
        raise RemoteProtocolError("a name in the NTLM message is not UTF-16") from None


def av_pairs(blob: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the attribute pairs of an NTLMv2 response, in their order.

    Args:
        blob: What the proof covers: a client whose password is proved has written them.

    Raises:
        RemoteProtocolError: A pair reaches outside of the list.

    Spec: [MS-NLMP] 2.2.2.1, 2.2.2.7.
    """
    at = _FIRST_PAIR
    while at < len(blob):
        if at + 4 > len(blob):
            raise RemoteProtocolError("the attributes of the NTLM response have no end")
        kind, length = struct.unpack_from("<HH", blob, at)
        if kind == 0:
            break
        at += 4 + length
        if at > len(blob):
            raise RemoteProtocolError("an attribute of the NTLM response lies outside of it")
        yield kind, blob[at - length : at]


def _target_names(blob: bytes) -> tuple[str, ...]:
    # All of them: what the challenge has brought is in the list too, and whoever passes it on may have put one in.
    names = [value.decode("utf-16-le", "replace") for kind, value in av_pairs(blob) if kind == _TARGET_NAME]
    return tuple(name for name in names if name)


def exported_key(message: Authenticate, challenge: bytes, secret: bytes) -> bytes | None:
    """Give the session key if the message proves knowledge of the NT hash `secret`, else None.

    Windows upper-cases the user name by Unicode's rules, pidgin-sipe by ASCII's alone; for a
    name like "jürgen" the two differ, and either proves the password.

    Spec: [MS-NLMP] 3.3.2, 3.4.5.1.
    """
    for user in dict.fromkeys((_ascii_upper(message.user), _unicode_upper(message.user))):
        key = ntowf_v2(secret, user, message.domain)
        proof = hmac.digest(key, challenge + message.blob, "md5")
        if hmac.compare_digest(proof, message.proof):
            return exchanged_key(hmac.digest(key, proof, "md5"), message)
    return None


def exchanged_key(base: bytes, message: Authenticate) -> bytes:
    """Give the exported session key; empty where no keys are exchanged.

    Args:
        base: The session base key, which comes of password and proof; with NTLMv2 it is the key exchange key.

    Spec: [MS-NLMP] 3.4.5.1, 3.2.5.1.2 (KXKEY, KEY_EXCH).
    """
    return rc4(base, message.session_key)


def _ascii_upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(c.upper() if c.isascii() else c for c in text)


def _unicode_upper(text: str) -> str:
    """Write text in upper case, one character for one, as Windows does: "ß" stays."""
    return text.upper() if text.isascii() else "".join(upper if len(upper := c.upper()) == 1 else c for c in text)


class Mac:
    """Signs texts in one direction.

    The connectionless form keys RC4 anew for each message from the sealing key and the
    sequence number. On SIP the number never changes, so neither do the eight bytes that
    hide the checksum; they are computed once.

    Args:
        sign_key: The signing key of this direction.
        seal_key: The sealing key of this direction.
    """

    __slots__ = ("_inner", "_outer", "_stream")

    def __init__(self, sign_key: bytes, seal_key: bytes) -> None:
        # HMAC by hand (RFC 2104 §4): both of its hashes have taken the key already, and are copied for each
        # message. That takes half the time of the library's, which looks its algorithm up each time.
        block = sign_key.ljust(64, b"\0")
        self._inner = md5(block.translate(_INNER) + SEQUENCE, usedforsecurity=False)
        self._outer = md5(block.translate(_OUTER), usedforsecurity=False)
        self._stream = int.from_bytes(rc4(md5(seal_key + SEQUENCE, usedforsecurity=False).digest(), bytes(8)))

    def hex(self, text: bytes) -> str:
        """Give the signature as 32 upper-case hexadecimal digits.

        Spec: [MS-NLMP] 3.4.4.2 with the datagram rule of 3.4.4.
        """
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        checksum = outer.digest()[:8]
        return f"01000000{int.from_bytes(checksum) ^ self._stream:016X}64000000"

    def holds(self, text: bytes, signature: str) -> bool:
        """Tell whether this is the signature of a text."""
        return same_digits(self.hex(text), signature)


def macs(exported: bytes) -> tuple[Mac, Mac]:
    """Derive how the client signs, and how the server does, from the exported session key.

    Spec: [MS-NLMP] 3.4.5.2, 3.4.5.3, for 128-bit keys.
    """
    return _mac(exported, b"client-to-server"), _mac(exported, b"server-to-client")


def _mac(exported: bytes, direction: bytes) -> Mac:
    sign_key = md5(b"%ssession key to %s signing key magic constant\x00" % (exported, direction), usedforsecurity=False)
    seal_key = md5(b"%ssession key to %s sealing key magic constant\x00" % (exported, direction), usedforsecurity=False)
    return Mac(sign_key.digest(), seal_key.digest())
