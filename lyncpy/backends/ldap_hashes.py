"""NT hashes as LDAP entries carry them. Pure; a hash is never quoted."""

import re
from collections.abc import Sequence
from typing import Final

from lyncpy.backends.ldap_conditions import LeftOut, Raw

_LOCKED: Final = re.compile(rb"\s*(?:\{[A-Za-z0-9/._-]*\}\s*)?[!*]")
"""`!31d6…`, `*`, `{CRYPT}!…`: how locking tools write; a real hash has hexadecimal digits there."""


def read_hash(names: Sequence[str], raw: Raw, left_out: LeftOut) -> tuple[bytes | None, str]:
    """Give the hash that the first of these attributes has, and why the person is locked, or "".

    A hash that was made useless by a mark before it is how tools lock an account (as with
    shadow(5)): that is a lock for every way to sign in. Any other that cannot be read is none.
    """
    found: bytes | None = None
    for name in names:
        for value in raw.get(name.lower(), ()):
            if _LOCKED.match(value):
                return None, f"{name} is locked"
            if found is None:
                found = _hash(name, value, left_out)
        if found is not None:
            break
    return found, ""


def _hash(name: str, value: bytes, left_out: LeftOut) -> bytes | None:
    """Read an NT hash: 16 bytes, or 32 hexadecimal digits. Never quotes it."""
    if len(value) == 16:
        return value
    # Samba writes this where an account has no password.
    if value.upper().startswith(b"NO PASSWORD") or not value.strip():
        return None
    try:
        digits = bytes.fromhex(value.decode("ascii"))
    except ValueError:
        digits = b""
    if len(digits) != 16:
        left_out(
            f'its attribute "{name}" cannot be read: it is not 32 hexadecimal digits; there is no password from it'
        )
        return None
    return digits
