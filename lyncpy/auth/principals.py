"""Whose a Kerberos principal is.

In this server's own realm the name before the @ is the account's: `sAMAccountName`, `uid`. That is what Active
Directory and FreeIPA write into tickets, whatever somebody has typed. Where nobody has that login, the whole
principal is looked for: as a login (userPrincipalName), and as an address. Of a realm that is only trusted
the whole principal counts alone: its alice is not ours.
"""

from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import IPeople, Person, objection_to
from lyncpy.contracts.kerberos import AcceptedTicket
from lyncpy.contracts.names import Aor


def holder_of(
    ticket: AcceptedTicket, people: IPeople, wall: float, aor: Aor | None = None
) -> Person | AuthenticationDenied:
    """Give whose ticket it is, if they may sign in.

    Args:
        wall: Seconds since the epoch.
        aor: Who they said they are beside it; None: nothing.
    """
    principal = ticket.principal
    person = person_of(principal, people, own_realm=ticket.own_realm)
    if person is None:
        return AuthenticationDenied(DenialReason.UNKNOWN_PRINCIPAL, principal)
    if aor is not None and person.aor != aor:
        return AuthenticationDenied(DenialReason.NOT_THIS_USER, principal, person.aor, detail=f"signed in as {aor}")
    objection = objection_to(person, wall)
    if objection is not None:
        return AuthenticationDenied(objection.reason, principal, person.aor, detail=objection.words)
    return person


def person_of(principal: str, people: IPeople, *, own_realm: bool) -> Person | None:
    """Give whose principal this is, if anybody's."""
    name, _, realm = principal.rpartition("@")
    if own_realm and "\\@" in name:
        return _enterprise(name.replace("\\@", "@"), people)
    # Services and administrators (alice/admin) are no people.
    if not name or not realm or any(sign in name for sign in "/\\"):
        return None
    whole = people.by_login("", principal)
    account = people.by_login("", name) if own_realm else None
    if account is None or (whole is not None and name.lower() not in map(str.lower, account.logins)):
        return whole
    return account


def _enterprise(name: str, people: IPeople) -> Person | None:
    """Give whose userPrincipalName somebody has typed who did not let the KDC put the account's name for it (RFC 6806 §5).

    It is a login, never an address: that may be another's.
    """
    person = people.by_login("", name)
    return person if person is not None and name.lower() in map(str.lower, person.logins) else None
