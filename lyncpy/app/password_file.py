"""Reads the passwords of many people, for `lyncpy user passwd --file`."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.passwords import PASSWORD_LONGEST
from lyncpy.contracts.secret_file import given_secret

FILE_LONGEST: Final = 1 << 26
"""Bytes of a file, which is some hundred thousand people."""

_BETWEEN: Final = re.compile(r"[ \t]")


class PasswordFileUnusable(Exception):
    """The file cannot be used; the sentence says why, and nothing that stands in it."""


def typed_address(text: str) -> Aor | None:
    """Give the address that somebody has typed; None: it is none."""
    user, at, domain = text.removeprefix("sip:").partition("@")
    is_one = user and at and domain and not any(c.isspace() for c in text)
    return aor_of(text) if is_one else None


def read_passwords(name: str) -> Mapping[Aor, str]:
    """Read an address and a password from each line of a file, or of standard input ("-").

    The first space or tab is between the two; all else belongs to the password. Empty lines and those that begin with # are none.

    Raises:
        PasswordFileUnusable: Others may read it, or a line is not so.
    """
    try:
        text = _bytes(name).decode("utf-8-sig")
    except OSError as error:
        raise PasswordFileUnusable(f"{name} cannot be used: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PasswordFileUnusable(f"{name} is no UTF-8 text") from None
    found: dict[Aor, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        address, password, *_ = (*_BETWEEN.split(line.removesuffix("\r"), maxsplit=1), "")
        aor = typed_address(address)
        if aor is None or aor in found or not 0 < len(password) <= PASSWORD_LONGEST:
            raise PasswordFileUnusable(
                f"{name}, line {number}: write an address that no other line has, a space, and a password of 1 to"
                f" {PASSWORD_LONGEST} characters"
            )
        found[aor] = password
    if not found:
        raise PasswordFileUnusable(f"{name} has no passwords")
    return found


def _bytes(name: str) -> bytes:
    if name == "-":
        text = sys.stdin.buffer.read(FILE_LONGEST + 1)
    else:
        with given_secret(Path(name)) as opened:
            text = opened.read(FILE_LONGEST + 1)
    if len(text) > FILE_LONGEST:
        raise PasswordFileUnusable(f"{name} has more than {FILE_LONGEST} bytes: give it in parts")
    return text
