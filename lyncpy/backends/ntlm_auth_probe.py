"""What an operator's look at `ntlm_auth` shows: whether winbind answers it, and under which names this computer has joined.

It waits for the program, at most `PATIENCE_S` for each question.
"""

import base64
import errno
import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_bytes
from typing import Final

from lyncpy.backends.ntlm_auth import NOBODY_ACCOUNT, PROTOCOL, environment, remedy_of
from lyncpy.backends.ntlm_auth_lines import AnswerDecoder, HelperGarbled, UnclearAnswer, question, verdict_of
from lyncpy.contracts.ntlm import NtlmResponse
from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.text import shown

PATIENCE_S: Final = 15.0

_CHALLENGES: Final = "--helper-protocol=squid-2.5-ntlmssp"
"""With which the program speaks NTLM itself: its challenge has the names ([MS-NLMP] 2.2.1.2)."""

_NEGOTIATE: Final = b"NTLMSSP\0" + struct.pack("<II", 1, 0xA2088207) + bytes(24)
_CHALLENGE_CHARACTERS: Final = 4096
_COMPUTER, _DOMAIN = 1, 2
"""MsvAvNbComputerName, MsvAvNbDomainName ([MS-NLMP] 2.2.2.1)."""


class HelperUnusable(Exception):
    """Nobody can be asked; the sentence says why and what to do."""


def ask_about_nobody(command: Sequence[str]) -> None:
    """Ask whether nobody has a password, which shows that the domain answers.

    Raises:
        HelperUnusable: It does not.
    """
    # A response to nothing: NTLMv2 with an empty list of attributes ([MS-NLMP] 2.2.2.7).
    response = token_bytes(16) + b"\x01\x01" + bytes(14) + token_bytes(8) + bytes(12)
    said = _said((*command, PROTOCOL), question(NtlmResponse("", NOBODY_ACCOUNT, token_bytes(8), response)))
    try:
        answer = AnswerDecoder().feed(said, expected=True)
        if answer is None:
            raise HelperUnusable(f"{command[0]} gives no answer: is it Samba's ntlm_auth?")
        verdict_of(answer)
    except HelperGarbled as error:
        raise HelperUnusable(f"{command[0]} gives an answer that is none: {error}") from None
    except UnclearAnswer as unclear:
        raise HelperUnusable(f"{command[0]} says: {unclear}: {remedy_of(str(unclear))}") from None


def joined_as(command: Sequence[str]) -> tuple[str, str]:
    """Give the NetBIOS names of the domain and of this computer in it; "" for what the program does not say.

    Raises:
        HelperUnusable: It does not run.
    """
    asked = b"YR " + base64.b64encode(_NEGOTIATE) + b"\n"
    word, _, token = _said((*command, _CHALLENGES), asked).partition(b"\n")[0].partition(b" ")
    try:
        challenge = read_base64(token.decode("latin-1"), _CHALLENGE_CHARACTERS, "it") if word == b"TT" else b""
    except RemoteProtocolError:
        challenge = b""
    names = _names(challenge)
    return names.get(_DOMAIN, ""), names.get(_COMPUTER, "")


def _names(challenge: bytes) -> Mapping[int, str]:
    """Give the attributes of a CHALLENGE message that are texts; what is no such message has none."""
    if len(challenge) < 48:
        return {}
    length, _, at = struct.unpack_from("<HHI", challenge, 40)
    found: dict[int, str] = {}
    end = min(at + length, len(challenge))
    while at + 4 <= end:
        kind, size = struct.unpack_from("<HH", challenge, at)
        found[kind] = challenge[at + 4 : at + 4 + size].decode("utf-16-le", "replace")
        at += 4 + size
    return found


def _said(command: Sequence[str], asked: bytes) -> bytes:
    """Give what a program writes about one question.

    Raises:
        HelperUnusable: It does not run, or not to its end.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the words of the setting, without a shell
            command, input=asked, capture_output=True, timeout=PATIENCE_S, check=False, env=environment()
        )
    except OSError as error:
        raise HelperUnusable(f"{command[0]} cannot be started: {error.strerror}; is winbind installed?") from None
    except subprocess.TimeoutExpired:
        raise HelperUnusable(f"{command[0]} says nothing within {PATIENCE_S:.0f} s: see wbinfo -P") from None
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    if done.returncode and not done.stdout:
        raise HelperUnusable(
            f"{command[0]} ends with status {done.returncode}{'; it says: ' + shown(last) if last else ''}"
        )
    return done.stdout


def objection_to_program(command: Sequence[str]) -> str:
    """Say why a program cannot be started, without starting it; "" where it can be, or none is named."""
    if not command or os.access(command[0], os.X_OK):
        return ""
    code = errno.EACCES if Path(command[0]).exists() else errno.ENOENT
    return f"{command[0]} cannot be started: {os.strerror(code)}; is winbind installed?"
