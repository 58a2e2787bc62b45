"""What goes wrong with an LDAP server, in words."""

import pytest

from lyncpy.backends.ldap_faults import SearchSettings, bind_fault, remedy_for

WRONG = {"result": 49, "description": "invalidCredentials", "message": ""}


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("noSuchObject", "correct group_bases, or let the account bind_dn read there"),
        ("timeLimitExceeded", "index the attributes in group_filters on the server, or raise answer_timeout_s"),
        ("referral", "this server does not hold group_bases: name the one that does in url"),
        ("busy", "see the log of the LDAP server"),
    ],
)
def test_the_settings_of_the_search_are_named(code: str, remedy: str) -> None:
    """Those of groups, where groups are looked for."""
    assert remedy_for(code, SearchSettings("group_bases", "group_filters")) == remedy


@pytest.mark.parametrize(
    ("password", "is_told"), [("secret", False), ("secret ", True), ("\tsecret", True), ("a b", False)]
)
def test_a_space_that_nobody_sees_is_told(password: str, is_told: bool) -> None:
    """Where the password was refused; nothing else of it is."""
    told = bind_fault(WRONG, password)
    assert ("begins or ends with a space" in told) == is_told
    assert "secret" not in told


def test_an_account_that_may_not_sign_in_is_told_before_its_password() -> None:
    """What the server says of it counts; of a bind that says nothing, nothing is known."""
    windows = {
        **WRONG,
        "message": "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 533, v4563",
    }
    assert "the account bind_dn may not sign in" in bind_fault(windows, "secret ")
    assert bind_fault({"result": 51, "description": "busy"}, "secret ") == ""
    assert bind_fault({"result": 0, "description": "success"}, "secret ") == ""
