"""The lines that Samba's `ntlm_auth --helper-protocol=ntlm-server-1` reads and writes. Pure.

A question and an answer are lines `Name: value`, or `Name:: value` with the value in base64, and end with a line of a dot
alone (ntlm_auth(1)). What comes from outside is written in base64 or hexadecimal digits, so that it cannot be a line.
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Final

from lyncpy.backends.ldap_verdicts import WINDOWS
from lyncpy.contracts.directory import Person, SignInObjection
from lyncpy.contracts.names import bare
from lyncpy.contracts.ntlm import NtlmResponse
from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.text import shown

ANSWER_BYTES: Final = 4096
"""The longest answer that is read; a real one has some 200 bytes."""

_ANSWER_LINES: Final = 16
_EMPTY_ANSWERS: Final = 1
"""After a refusal Samba (4.17) ends its answer twice."""

_KEY: Final = re.compile(r"[0-9A-Fa-f]{32}")
_CODE: Final = re.compile(r"\b0x([cC]0[0-9a-fA-F]{6})\b")

_STATUS: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("C000006A", "WRONG_PASSWORD", "52e", "value provided as the current password is not correct"),
    ("C0000064", "NO_SUCH_USER", "525", "specified account does not exist"),
    ("C000006D", "LOGON_FAILURE", "52e", "attempted logon is invalid"),
    ("C000006F", "INVALID_LOGON_HOURS", "530", "time restrictions and cannot be logged onto"),
    ("C0000070", "INVALID_WORKSTATION", "531", "cannot be used to log on from the source workstation"),
    ("C000015B", "LOGON_TYPE_NOT_GRANTED", "531", "requested a type of logon"),
    ("C0000413", "AUTHENTICATION_FIREWALL_FAILED", "531", "protected by an authentication firewall"),
    ("C000006E", "ACCOUNT_RESTRICTION", "530", "some user account restriction has prevented"),
    ("C0000071", "PASSWORD_EXPIRED", "532", "account password has expired"),
    ("C0000072", "ACCOUNT_DISABLED", "533", "account is currently disabled"),
    ("C0000193", "ACCOUNT_EXPIRED", "701", "user account has expired"),
    ("C0000224", "PASSWORD_MUST_CHANGE", "773", "password must be changed before logging on"),
    ("C00002FA", "SMARTCARD_LOGON_REQUIRED", "8009033e", "smart card logon is required"),
    ("C0000234", "ACCOUNT_LOCKED_OUT", "775", "automatically locked because too many invalid logon attempts"),
)
"""NTSTATUS ([MS-ERREF] 2.3.1): number, name, the error of Windows that means the same, and words of Samba's sentence for it."""

_LOGON_FAILURE: Final = "LOGON_FAILURE"


class HelperGarbled(Exception):
    """What the helper wrote is no answer to a question; which one its next answer is for nobody knows."""


class UnclearAnswer(Exception):
    """The answer says nothing of the password; the text says what it says, for an operator."""


@dataclass(frozen=True, slots=True)
class HelperAnswer:
    """An answer, as far as anything in it is of use. Its key is kept out of logs."""

    authenticated: bool
    error: str = ""
    """Why not, in the helper's words."""

    session_key: bytes = field(default=b"", repr=False)
    """The session base key, 16 bytes; empty where there is none."""


def question(given: NtlmResponse) -> bytes:
    """Write a question, with its end."""
    return (
        f"Username:: {_text(given.user)}\nNT-Domain:: {_text(given.domain)}\n"
        f"LANMAN-Challenge: {given.challenge.hex()}\nNT-Response: {given.response.hex()}\n"
        "Request-User-Session-Key: Yes\n.\n"
    ).encode("ascii")


def _text(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")


class AnswerDecoder:
    """Takes answers out of what the helper writes; keeps as much as one answer may have."""

    __slots__ = ("_empty", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._empty = 0

    def feed(self, data: bytes, *, expected: bool) -> HelperAnswer | None:
        """Take what was written; give the answer when it is whole.

        Args:
            expected: Whether a question was asked that has no answer yet.

        Raises:
            HelperGarbled: It is no answer, or one that nobody expects.
        """
        self._rest += data
        while True:
            end = 0 if self._rest.startswith(b".\n") else self._rest.find(b"\n.\n") + 1
            if end or self._rest.startswith(b".\n"):
                whole, self._rest = self._rest[:end], self._rest[end + 2 :]
                if not whole and self._empty < _EMPTY_ANSWERS:
                    self._empty += 1
                    continue
                if len(whole) > ANSWER_BYTES or not expected or not whole:
                    raise HelperGarbled(f"an answer of {len(whole)} bytes that nobody expects")
                self._empty = 0
                return self._last(_read(whole))
            if len(self._rest) > ANSWER_BYTES:
                raise HelperGarbled(f"more than {ANSWER_BYTES} bytes without an end")
            if self._rest and not expected and self._rest != b".":
                raise HelperGarbled("words that nobody asked for")
            return None

    def _last(self, answer: HelperAnswer) -> HelperAnswer:
        """Give an answer, if it is the only one that has come."""
        if self._rest not in (b"", b".", b".\n"):
            raise HelperGarbled("two answers to one question")
        return answer


def _read(whole: bytes) -> HelperAnswer:
    """Read the lines of an answer.

    Raises:
        HelperGarbled: It does not say whether the proof holds, or says it twice.
    """
    lines = whole.decode("utf-8", "replace").split("\n")[:-1]
    if len(lines) > _ANSWER_LINES:
        raise HelperGarbled(f"an answer of {len(lines)} lines")
    given: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        # "Error: ..." is what it writes about questions that it cannot read.
        if not colon or name in given:
            raise HelperGarbled(f"a line that is not understood: {shown(line)}")
        given[name] = _value(value)
    said = given.get("Authenticated")
    if said not in ("Yes", "No"):
        raise HelperGarbled(
            f"an answer without Authenticated: {shown(given.get('Error', whole.decode('utf-8', 'replace')))}"
        )
    key = given.get("User-Session-Key", "")
    return HelperAnswer(
        authenticated=said == "Yes",
        error=given.get("Authentication-Error", ""),
        session_key=bytes.fromhex(key) if _KEY.fullmatch(key) else b"",
    )


def _value(value: str) -> str:
    """Give a value; after a second colon it is base64."""
    if not value.startswith(":"):
        return value.removeprefix(" ")
    try:
        return read_base64(value[1:].strip(" "), ANSWER_BYTES, "the answer").decode("utf-8", "replace")
    except RemoteProtocolError as error:
        raise HelperGarbled(error.reason) from None


def verdict_of(answer: HelperAnswer) -> bytes | SignInObjection:
    """Say what an answer means: the session base key where the proof holds, or why they may not sign in.

    Raises:
        UnclearAnswer: It means something else, as that no domain controller can be reached.
    """
    if answer.authenticated:
        # A key of zeros is nobody's: such is that of a guest, and everybody could sign with it.
        if not any(answer.session_key):
            raise UnclearAnswer("the proof holds, and there is no session key")
        return answer.session_key
    number = _CODE.search(answer.error)
    words = answer.error.lower()
    for code, name, windows, said in _STATUS:
        if (number is not None and number[1].upper() == code) or f"NT_STATUS_{name}" in answer.error or said in words:
            return _objection(WINDOWS[windows], name)
    raise UnclearAnswer(shown(answer.error) if answer.error else "no reason is given")


def _objection(meant: SignInObjection, name: str) -> SignInObjection:
    if meant.words:
        return meant
    words = f"NT_STATUS_{name}"
    if name == _LOGON_FAILURE:
        # [MS-NRPC] 3.5.4.5.1: a controller believes a member only in what was proved to that member's own name.
        words += "; so it is said as well where the challenge does not name this computer as it has joined: see `lyncpy check`"
    return SignInObjection(meant.reason, words)


def is_account_of(person: Person, domain: str, user: str, own_domain: str) -> bool:
    r"""Tell whether an account of the domain, as a client names it, is a person's.

    The domain is asked about the very names that the client sent, for they are part of what the proof covers. So they have to
    be names that the directory has given this person. Otherwise another account would open what is theirs: one of a domain that
    ours only trusts, of this computer's own list, or one whose userPrincipalName is their SIP address. An address counts, up to its @,
    for those alone who have no logins.

    Args:
        own_domain: The NetBIOS name of the domain that this computer has joined.
    """
    # NetBIOS names and logins of Windows are the same in any case.
    named, user, own = (text.lower() for text in (domain, user, own_domain))
    logins = [login.lower() for login in person.logins] or [bare(person.aor).partition("@")[0]]
    if "\\" in user:
        return False
    if named not in ("", own):
        return f"{named}\\{user}" in logins
    # A name with nothing before it, and no @ in it, is one of our domain.
    return user in logins or (f"{own}\\{user}" in logins and "@" not in user)
