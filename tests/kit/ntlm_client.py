"""A client's side of NTLM, for actors and load generators: the product's own, with usual values, and how a challenge is found."""

from collections.abc import Callable

from lyncpy.auth import ntlm_client
from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.ntlm_client import ANSWERED_FLAGS, write_authenticate
from lyncpy.sip.message import Response

__all__ = ["ANSWERED_FLAGS", "NtlmClient", "challenge_of", "write_authenticate"]


class NtlmClient(ntlm_client.NtlmClient):
    """One sign-in of one user on one connection."""

    def __init__(
        self,
        user: str,
        password: str,
        *,
        secret: bytes | None = None,
        domain: str = "",
        version: int = 4,
        wall: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Take who signs in; `secret` is the NT hash, of who knows that and no password."""
        known = nt_hash(password) if secret is None else secret
        super().__init__(user, known, domain=domain, version=version, wall=wall)


def challenge_of(response: Response, scheme: str = "NTLM") -> str:
    """Give the challenge of a scheme in a 401."""
    for value in response.headers.get_all("WWW-Authenticate"):
        if value.startswith(f"{scheme} "):
            return value
    raise AssertionError(f"no challenge of {scheme}")
