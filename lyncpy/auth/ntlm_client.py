"""A client's side of NTLM on SIP: answers challenges, signs what it sends, checks what it hears.

For probes, and for the clients of tests and of the benchmark: quick, and strict about what the server sends. It shares
the arithmetic of `auth.ntlm` with the server; that this is right is shown by the vectors and the foreign client in
`tests/unit/auth`.

Specification: [MS-NLMP] 3.1.5.1.2; [MS-SIPAE] 3.2, 3.3.
"""

import base64
import hmac
import re
import struct
from collections.abc import Callable, Mapping
from secrets import token_bytes, token_hex
from typing import Final, TypeVar

from lyncpy.auth.ciphers import rc4
from lyncpy.auth.ntlm import Mac, macs, ntowf_v2
from lyncpy.auth.signing import signed_fields
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request, Response

M = TypeVar("M", Request, Response)

ANSWERED_FLAGS: Final = 0x62988255
DEMANDED_FLAGS: Final = 0x40988251
"""What pidgin-sipe wants to see in a challenge, or it gives up."""

_EPOCH: Final = 116444736000000000
_PROOF: Final = re.compile(r'NTLM rspauth="([0-9A-Fa-f]{32})", srand="([0-9A-F]{8})", snum="([0-9]+)", ')


class BadChallenge(AssertionError):
    """A challenge is none that a real client would answer."""


class NtlmClient:
    """One sign-in of one user on one connection.

    Args:
        user: The login name: an address, a UPN or an account name.
        secret: The NT hash of the password.
        domain: The NetBIOS name that is said with it; "": none.
        version: The newest signature version it knows.
        wall: The client's clock, used unless the challenge carries the server's.
    """

    scheme: Final = "NTLM"
    steps: Final = 2
    """Answers to challenges, of one sign-in."""

    def __init__(
        self,
        user: str,
        secret: bytes,
        *,
        domain: str,
        version: int,
        wall: Callable[[], float],
    ) -> None:
        self._user = user
        self._domain = domain
        self._secret = secret
        self._wall = wall
        self._newest = version
        self._count = 0
        self.restart()

    def restart(self) -> None:
        """Forget the association, as a client does before it authenticates anew; the count goes on."""
        self._mine: Mac | None = None
        self._theirs: Mac | None = None
        self._head = ""
        self._front = ""
        self.version = self._newest

    @property
    def ready(self) -> bool:
        """Whether it signs, and insists on signatures."""
        return self._mine is not None

    def goes_on(self, challenge: str) -> bool:
        """Tell whether a challenge leads on; who is asked for a password twice has given all that they have."""
        return True

    def answer(self, request: Request, challenge: str) -> Request:
        """Give the next REGISTER of the handshake: `request` with what a WWW-Authenticate value asks for."""
        _, given = parse_auth(challenge)
        self.version = min(self._newest, int(given.get("version", "2")))
        realm, target = given["realm"], given["targetname"]
        self._front = f"<{realm}><{target}>"
        suffix = f", version={self.version}" if self.version > 2 else ""
        if "gssapi-data" not in given:
            value = f'NTLM qop="auth", realm="{realm}", targetname="{target}", gssapi-data=""{suffix}'
            return request.edited(last=[("Authorization", value)])
        token, exported = self._authenticate(base64.b64decode(given["gssapi-data"], validate=True))
        self.associate(given, exported)
        value = f'{self._head}, gssapi-data="{token}"{suffix}'
        if self.version > 3:
            value += self._signature(signed_fields(request, self.version))
        return request.edited(last=[("Authorization", value)])

    def associate(self, challenge: Mapping[str, str], exported: bytes) -> None:
        """Sign and verify from now on with the keys of a handshake, whoever has made it.

        Args:
            challenge: The parameters of the server's challenge.
            exported: The exported session key ([MS-NLMP] 3.1.5.1.2).
        """
        opaque, realm, target = (challenge[name] for name in ("opaque", "realm", "targetname"))
        self._front = f"<{realm}><{target}>"
        self._head = f'NTLM qop="auth", opaque="{opaque}", realm="{realm}", targetname="{target}"'
        self._mine, self._theirs = macs(exported)

    def _authenticate(self, challenge: bytes) -> tuple[str, bytes]:
        signature, kind = struct.unpack_from("<8sI", challenge)
        (flags,) = struct.unpack_from("<I", challenge, 20)
        length, _, offset = struct.unpack_from("<HHI", challenge, 40)
        info = challenge[offset : offset + length]
        if (
            signature != b"NTLMSSP\x00"
            or kind != 2
            or flags & DEMANDED_FLAGS != DEMANDED_FLAGS
            or info[-4:] != bytes(4)
        ):
            raise BadChallenge("it lacks what clients demand")
        time = info[info.index(b"\x07\x00\x08\x00") + 4 :][:8] if b"\x07\x00\x08\x00" in info else None
        stamp = time or struct.pack("<Q", int(self._wall() * 1000) * 10_000 + _EPOCH)
        blob = b"\x01\x01" + bytes(6) + stamp + token_bytes(8) + bytes(4) + info + bytes(4)
        user = "".join(c.upper() if c.isascii() else c for c in self._user)
        key = ntowf_v2(self._secret, user, self._domain)
        proof = hmac.digest(key, challenge[24:32] + blob, "md5")
        exported = token_bytes(16)
        parts = [
            bytes(24),
            proof + blob,
            self._domain.encode("utf-16-le"),
            self._user.encode("utf-16-le"),
            "KIT".encode("utf-16-le"),
            rc4(hmac.digest(key, proof, "md5"), exported),
        ]
        return base64.b64encode(write_authenticate(parts, ANSWERED_FLAGS)).decode(), exported

    def _signature(self, fields: str) -> str:
        if self._mine is None:
            raise BadChallenge("nothing to sign with")
        self._count += 1
        rand = token_hex(4)
        text = f"<NTLM><{rand}><{self._count}>{self._front}{fields}"
        proof = self._mine.hex(text.encode("utf-8", "surrogateescape"))
        return f', crand="{rand}", cnum="{self._count}", response="{proof}"'

    def sign(self, message: M) -> M:
        """Give a request or response with its Authorization."""
        return message.edited(last=[("Authorization", self.seal(signed_fields(message, self.version)))])

    def seal(self, fields: str) -> str:
        """Give the value of Authorization that signs these fields, as `signed_fields` gives them."""
        return self._head + self._signature(fields)

    def verify(self, message: Request | Response) -> bool:
        """Tell whether the server's signature is there and holds."""
        value = message.headers.get("Authentication-Info")
        found = None if value is None else _PROOF.match(value)
        return found is not None and self.holds(found[1], found[2], found[3], signed_fields(message, self.version))

    def holds(self, proof: str, rand: str, number: str, fields: str) -> bool:
        """Tell whether the server's signature of these fields holds."""
        if self._theirs is None:
            return False
        text = f"<NTLM><{rand}><{number}>{self._front}{fields}"
        return self._theirs.holds(text.encode("utf-8", "surrogateescape"), proof)


def write_authenticate(parts: list[bytes], flags: int) -> bytes:
    """Write an AUTHENTICATE message: LM, NT, domain, user, workstation and key; no MIC."""
    head, payload = b"NTLMSSP\x00\x03\x00\x00\x00", b""
    for part in parts:
        head += struct.pack("<HHI", len(part), len(part), 72 + len(payload))
        payload += part
    return head + struct.pack("<I", flags) + bytes.fromhex("0501280a0000000f") + payload
