"""What an LDAP server's answer to a simple bind says of the password and the account. Pure.

Every directory says it in its own way: Active Directory and Samba by Windows' error codes in the text of
`invalidCredentials`, OpenLDAP by the response control of its password policies, 389 Directory Server and FreeIPA by result
codes, controls and words.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from lyncpy.backends.ldap_messages import SEQUENCE, read_value, values
from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.directory import SignInObjection
from lyncpy.sip.text import shown

PASSWORD_POLICY: Final = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - an OID
"""Asks for, and says, why a password does not let somebody in (draft-behera-ldap-password-policy 6)."""

PASSWORD_ENDED: Final = "2.16.840.1.113730.3.4.4"  # noqa: S105 - an OID
"""Says that the password has to be changed before anything else (draft-vchu-ldap-pwd-policy 2.1)."""

WRONG: Final = SignInObjection(DenialReason.WRONG_PASSWORD, "")
_MUST_CHANGE: Final = SignInObjection(
    DenialReason.MUST_CHANGE_PASSWORD, "the directory wants the password changed before the next sign-in"
)
_PASSWORD_EXPIRED: Final = SignInObjection(
    DenialReason.PASSWORD_EXPIRED, "the directory says that the password is too old"
)
_LOCKED: Final = SignInObjection(
    DenialReason.LOCKED, "the directory has locked the account after wrong passwords", unproven=True
)
_DISABLED: Final = SignInObjection(DenialReason.DISABLED, "the directory has switched the account off")
_UNUSED: Final = SignInObjection(
    DenialReason.DISABLED,
    "the directory has switched the account off, for nobody has used it for too long",
    unproven=True,
)
_TEMPORARY: Final = SignInObjection(
    DenialReason.PASSWORD_EXPIRED,
    "the directory takes the password that an administrator has set no longer, or not yet",
    unproven=True,
)
_EXPIRED: Final = SignInObjection(DenialReason.EXPIRED, "the directory says that the account's time is over")

# [MS-ERREF] 2.2: ERROR_LOGON_FAILURE … ERROR_ACCOUNT_LOCKED_OUT.
WINDOWS: Final[Mapping[str, SignInObjection]] = {
    "525": WRONG,
    "52e": WRONG,
    "530": SignInObjection(DenialReason.RESTRICTED, "the directory does not let them sign in at this hour"),
    "531": SignInObjection(
        DenialReason.RESTRICTED, "the directory does not let them sign in from this server's computer"
    ),
    "532": _PASSWORD_EXPIRED,
    "533": _DISABLED,
    "701": _EXPIRED,
    "773": _MUST_CHANGE,
    "775": _LOCKED,
    # SEC_E_SMARTCARD_LOGON_REQUIRED ([MS-ERREF] 2.1.1), of which there is no shorter number.
    "8009033e": SignInObjection(
        DenialReason.RESTRICTED, "the directory wants a smart card of them, and takes no password"
    ),
}
"""By the error's number, in hexadecimal digits."""

_WINDOWS_CODE: Final = re.compile(r"AcceptSecurityContext error, data ([0-9a-fA-F]{3,8})\b")

_POLICY: Final[Mapping[int, SignInObjection]] = {0: _PASSWORD_EXPIRED, 1: _LOCKED, 2: _MUST_CHANGE}
"""draft-behera-ldap-password-policy 6.2; the others are of changes of a password."""

_WORDS: Final[tuple[tuple[int, str, SignInObjection], ...]] = (
    (49, "password expired", _PASSWORD_EXPIRED),
    (49, "password is expired", _PASSWORD_EXPIRED),
    (19, "retry limit", _LOCKED),
    (19, "too many failed logins", _LOCKED),
    (19, "inactivity limit", _UNUSED),
    (19, "tpr checking", _TEMPORARY),
    (53, "inactivated", replace(_DISABLED, unproven=True)),
    (53, "is expired", replace(_EXPIRED, unproven=True)),
    (53, "too many failed logins", _LOCKED),
    (53, "permanently locked", _LOCKED),
)
"""What 389 Directory Server and FreeIPA's plugins write: result code, words, meaning. All but code 49 they say before they look at
the password. It counts before the control of the
password policy, for of an account that an administrator has switched off 389 says there that it is locked."""

_ERROR: Final = 0x81
"""The tag of what is wrong, in the control."""

_WRONG_CODES: Final = frozenset({32, 34, 48, 49})
"""RFC 4511 §4.1.9: noSuchObject, invalidDNSyntax, inappropriateAuthentication (no password there), invalidCredentials."""


class UnclearBind(Exception):
    """The answer says nothing of the password."""


def verdict_of(result: Mapping[str, Any]) -> SignInObjection | None:
    """Say what an answer to a bind means; None: the password is right and lets them in.

    Args:
        result: As ldap3 gives it.

    Raises:
        UnclearBind: It means something else, as that the server is busy.
    """
    code, message = int(result["result"]), str(result.get("message") or "")
    controls: Mapping[str, Any] = result.get("controls") or {}
    policy = _POLICY.get(policy_error((controls.get(PASSWORD_POLICY) or {}).get("value")))
    if code == 0:
        # A bind that succeeds with an error is good for changing the password and nothing else.
        return policy or (_MUST_CHANGE if PASSWORD_ENDED in controls else None)
    windows = _WINDOWS_CODE.search(message)  # of eight digits, those in front are zeros
    words = message.lower()
    told = (
        (WINDOWS.get(windows[1].lower().lstrip("0")) if windows else None)
        or next((one for number, said, one in _WORDS if number == code and said in words), None)
        or policy
    )
    if told is not None:
        return told
    if code in _WRONG_CODES:
        return SignInObjection(WRONG.reason, shown(message))
    raise UnclearBind


def policy_error(value: object) -> int:
    """Give the error in a response control of a password policy; -1: none.

    It is SEQUENCE { warning [0] CHOICE {…} OPTIONAL, error [1] ENUMERATED OPTIONAL }; 389 Directory Server writes its length
    in five bytes.
    """
    if not isinstance(value, bytes):
        return -1
    try:
        tag, content, end = read_value(value)
        parts = dict(values(content)) if tag == SEQUENCE and end == len(value) else {}
    except ValueError:
        return -1
    error = parts.get(_ERROR, b"")
    return error[0] if len(error) == 1 else -1
