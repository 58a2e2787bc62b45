"""What the devices of probes prove themselves with, and sign with from then on ([MS-SIPAE] 3.2)."""

import enum
import re
from secrets import token_hex
from typing import Final, Protocol, TypeVar

from lyncpy.auth.ntlm_client import BadChallenge
from lyncpy.auth.signing import signed_fields
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request, Response

M = TypeVar("M", Request, Response)

VERSION: Final = 4
"""Of signatures ([MS-SIPAE] 2.2.1)."""

_PROOF: Final = re.compile(
    r'([A-Za-z-]+) rspauth="([0-9A-Fa-f]{1,1024})", srand="([0-9A-F]{8})", snum="([0-9]{1,10})", '
)


class ProbeScheme(enum.Enum):
    """How a probe signs in; the values are what is typed."""

    NTLM = "ntlm"
    TLS_DSK = "tls-dsk"
    KERBEROS = "kerberos"
    AUTO = "auto"
    """With a password what the server offers first of TLS-DSK and NTLM, without one Kerberos."""


class ProbeKeys(Protocol):
    """One sign-in of one user on one connection; the face of `NtlmClient`."""

    @property
    def scheme(self) -> str:
        """The name of the scheme, as challenges have it."""

    @property
    def steps(self) -> int:
        """Answers to challenges, of one sign-in."""

    def restart(self) -> None:
        """Forget the association."""

    def goes_on(self, challenge: str) -> bool:
        """Tell whether a challenge leads on, and is not the end of what was begun."""

    def answer(self, request: Request, challenge: str) -> Request:
        """Give a REGISTER with what a challenge asks for; raises BadChallenge."""

    def sign(self, message: M) -> M:
        """Give a message with its Authorization."""

    def verify(self, message: Request | Response) -> bool:
        """Tell whether the server's signature holds."""


class SigningKeys:
    """The part that is the same whatever the keys are: which text is signed, and where the signature stands."""

    scheme = ""

    def __init__(self) -> None:
        self._count = 0
        self._front = self._head = ""

    def mac(self, text: bytes) -> str:
        """Give our signature of a text, in hexadecimal digits."""
        raise NotImplementedError

    def is_theirs(self, text: bytes, proof: str) -> bool:
        """Tell whether this is the server's signature of a text."""
        raise NotImplementedError

    def begin(self, challenge: str) -> dict[str, str]:
        """Take the names that a challenge gives; give all that it says. Raises BadChallenge."""
        try:
            _, given = parse_auth(challenge)
            realm, target = given["realm"], given["targetname"]
        except (RemoteProtocolError, KeyError) as error:
            raise BadChallenge(f"it cannot be read: {error}") from None
        opaque = f', opaque="{given["opaque"]}"' if "opaque" in given else ""
        self._front = f"<{realm}><{target}>"
        self._head = f'{self.scheme} qop="auth"{opaque}, realm="{realm}", targetname="{target}"'
        return given

    def shown(self, request: Request, token: str, *, is_signed: bool = False) -> Request:
        """Give a REGISTER with a token of the handshake."""
        value = f'{self._head}, gssapi-data="{token}", version={VERSION}'
        signature = self._signature(request) if is_signed else ""
        return request.edited(last=[("Authorization", f"{value}{signature}")])

    def sign(self, message: M) -> M:
        """Give a message with its Authorization."""
        value = f"{self._head}, version={VERSION}{self._signature(message)}"
        return message.edited(last=[("Authorization", value)])

    def verify(self, message: Request | Response) -> bool:
        """Tell whether the server's signature is there and holds."""
        found = _PROOF.match(message.headers.get("Authentication-Info") or "")
        if found is None:
            return False
        text = self._text(found[3], found[4], signed_fields(message, VERSION))
        return self.is_theirs(text, found[2])

    def _signature(self, message: Request | Response) -> str:
        self._count += 1
        rand = token_hex(4)
        proof = self.mac(self._text(rand, str(self._count), signed_fields(message, VERSION)))
        return f', crand="{rand}", cnum="{self._count}", response="{proof}"'

    def _text(self, rand: str, number: str, fields: str) -> bytes:
        return f"<{self.scheme}><{rand}><{number}>{self._front}{fields}".encode("utf-8", "surrogateescape")
