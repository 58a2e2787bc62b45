"""What the answers of directories to a bind mean, as each of them writes it."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from lyncpy.backends.ldap_verdicts import PASSWORD_ENDED, PASSWORD_POLICY, UnclearBind, policy_error, verdict_of

NONE: Final[Mapping[str, bytes]] = {}


def _answer(code: int, message: str = "", controls: Mapping[str, bytes] = NONE) -> dict[str, Any]:
    return {
        "result": code,
        "message": message,
        "controls": {oid: {"value": value} for oid, value in controls.items()},
    }


def _windows(code: str) -> dict[str, Any]:
    return _answer(
        49, f"80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {code}, v2580\x00"
    )


def _policy(code: int, value: str, message: str = "") -> dict[str, Any]:
    return _answer(code, message, {PASSWORD_POLICY: bytes.fromhex(value)})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_answer(0), ""),
        (_answer(49), "wrong password"),
        (_answer(32), "wrong password"),
        (_answer(34, "invalid DN"), "wrong password"),
        (_answer(48), "wrong password"),
        *((_windows(code), "wrong password") for code in ("525", "52e", "999")),
        *((_windows(code), "not allowed now or here") for code in ("530", "531", "8009033e")),
        (_windows("532"), "password expired"),
        (_windows("533"), "disabled"),
        (_windows("701"), "expired"),
        (_windows("773"), "must change password"),
        (_windows("775"), "locked"),
        (_policy(49, "3003810100"), "password expired"),
        (_policy(49, "3003810101"), "locked"),
        (_policy(0, "3003810102"), "must change password"),
        (_policy(49, "3000"), "wrong password"),
        # A warning of the password's end, and a grace login, are no objections.
        (_policy(0, "3005a003800104"), ""),
        (_policy(0, "3005a003810104"), ""),
        (_policy(49, "3008a003810104810100"), "password expired"),
        (_answer(0, controls={PASSWORD_ENDED: b"0"}), "must change password"),
        (_answer(49, "password expired!"), "password expired"),
        (_answer(19, "Exceed password retry limit. Please try later."), "locked"),
        (_answer(19, "Too many failed logins.\n"), "locked"),
        (_answer(53, "Account inactivated. Contact system administrator."), "disabled"),
        (_answer(53, "Account (Kerberos principal) is expired"), "expired"),
        (_answer(53, "Entry permanently locked.\n"), "locked"),
        (_answer(49, "Password is expired.\n"), "password expired"),
        (_answer(19, "Account inactivity limit exceeded. Contact system administrator to reset."), "disabled"),
        (_answer(19, "TPR checking. Contact system administrator"), "password expired"),
        # As 389 Directory Server writes the control, which says of whom it has switched off that they are locked.
        (_policy(49, "308400000003810100"), "password expired"),
        (_policy(0, "308400000003810102"), "must change password"),
        (_policy(53, "308400000003810101", "Account inactivated. Contact system administrator."), "disabled"),
        (_policy(0, "30840000000aa0840000000480020e10"), ""),
    ],
)
def test_an_answer_has_one_meaning(answer: dict[str, Any], reason: str) -> None:
    """Right, or why not: in words for an operator, but for a password that is just wrong."""
    verdict = verdict_of(answer)
    assert (verdict.reason if verdict is not None else "") == reason
    assert verdict is None or verdict.words or reason == "wrong password"


@pytest.mark.parametrize("code", [1, 8, 10, 13, 19, 51, 52, 53, 80])
def test_what_says_nothing_of_the_password_is_no_verdict(code: int) -> None:
    """A server that is busy, or wants TLS, has not said that the password is wrong."""
    with pytest.raises(UnclearBind):
        verdict_of(_answer(code, "busy"))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "3000",
        b"",
        b"\x30",
        b"\x31\x03\x81\x01\x00",
        b"\x30\x04\x81\x01\x00",
        b"\x30\x03\x81\x02\x00",
        b"\x30\x80",
    ],
)
def test_a_control_that_cannot_be_read_says_nothing(value: object) -> None:
    """Cut off, of another type or another length."""
    assert policy_error(value) == -1


@pytest.mark.parametrize(
    ("answer", "unproven"),
    [
        (_windows("533"), False),
        (_windows("532"), False),
        (_windows("775"), True),
        (_policy(49, "3003810101"), True),
        (_answer(53, "Account inactivated. Contact system administrator."), True),
        (_answer(53, "Account (Kerberos principal) is expired"), True),
        (_answer(19, "Account inactivity limit exceeded. Contact system administrator to reset."), True),
        (_answer(19, "TPR checking. Contact system administrator"), True),
        (_answer(49, "password expired!"), False),
    ],
)
def test_what_is_said_of_any_password_proves_none(answer: dict[str, Any], unproven: bool) -> None:
    """389 Directory Server looks at the account before the password."""
    verdict = verdict_of(answer)
    assert verdict is not None
    assert verdict.unproven == unproven
