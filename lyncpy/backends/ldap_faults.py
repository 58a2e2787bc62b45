"""What goes wrong with an LDAP server, in words for an operator, and what to do. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lyncpy.backends.ldap_verdicts import UnclearBind, verdict_of
from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.secret_file import space_around
from lyncpy.sip.text import shown


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The names of the settings that say where is searched, and by which filter."""

    bases: str = "bases"
    filters: str = "filters"


PEOPLE: Final = SearchSettings()


_REMEDIES: Final[Mapping[str, str]] = {
    "invalidCredentials": "correct bind_dn and what stands in bind_password_file",
    "inappropriateAuthentication": "set bind_dn and bind_password_file",
    "insufficientAccessRights": "let the account bind_dn read the people",
    "confidentialityRequired": "set start_tls = true or use ldaps://",
    "strongerAuthRequired": "set start_tls = true or use ldaps://",
    "noSuchObject": "correct {bases}, or let the account bind_dn read there",
    "operationsError": "set bind_dn and bind_password_file",
    "invalidDNSyntax": "correct {bases} and bind_dn",
    "sizeLimitExceeded": "raise the server's limit for the account bind_dn (of OpenLDAP: sizelimit, or size.prtotal in limits)",
    "adminLimitExceeded": "raise the server's limit for the account bind_dn, or make page_size smaller",
    "timeLimitExceeded": "index the attributes in {filters} on the server, or raise answer_timeout_s",
    "referral": "this server does not hold {bases}: name the one that does in url",
    "unwillingToPerform": "see the log of the LDAP server; a bind may need a password or TLS",
}
"""By the name of a result code (RFC 4511 §4.1.9); the braces stand for the settings of the search."""

_NUMBER: Final = re.compile(r"\[Errno -?\d{1,9}\] ")


def remedy_for(code: str, named: SearchSettings = PEOPLE) -> str:
    """Say what to do about an answer with this result code."""
    return _REMEDIES.get(code, "see the log of the LDAP server").format(bases=named.bases, filters=named.filters)


def bind_fault(result: Mapping[str, Any], password: str) -> str:
    """Explain why the account cannot bind, where more is known than that it cannot; "" where not.

    Args:
        result: Of the bind, as ldap3 gives it.
        password: With which it was tried; of it nothing is told but that it has blanks around it.
    """
    try:
        verdict = verdict_of(result)
    except UnclearBind:
        return ""
    if verdict is None:
        return ""
    if verdict.reason is not DenialReason.WRONG_PASSWORD:
        return f"the account bind_dn may not sign in, for {verdict.words}; mend it there"
    space = space_around(password, "bind_password_file")
    return f"{space}, or correct bind_dn" if space else ""


def words_of(error: BaseException) -> str:
    """Give an exception's text; ldap3 hides the cause of some in a list of attempts."""
    # The system's own words, without its number.
    return _NUMBER.sub("", " ".join(str(part) for part in error.args)) or type(error).__name__


def certificate_fault(text: str) -> str:
    """Give OpenSSL's reason, without its decoration."""
    _, _, reason = text.partition("certificate verify failed")
    return shown(reason.split("(_ssl")[0].strip(" :'\"()") or "verify failed")
