"""Whose a Kerberos principal is.

In this server's own realm the name before the @ is the account's: `sAMAccountName`, `uid`. That is what Active
Directory and FreeIPA write into tickets, whatever somebody has typed. Where nobody has that login, the whole
principal is looked for as one (userPrincipalName). An address is a name of the account of those alone who have no
logins: of the others the directory says what they are called, and who else is called like their address has an
account of their own. Of a realm that is only trusted the whole principal counts alone: its alice is not ours.
"""

from lyncpy.auth.objections import refusal_of
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.kerberos import AcceptedTicket
from lyncpy.contracts.names import Aor, bare


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
    return refusal_of(person, wall, principal) or person


def person_of(principal: str, people: IPeople, *, own_realm: bool) -> Person | None:
    """Give whose principal this is, if anybody's."""
    name, _, realm = principal.rpartition("@")
    if own_realm and "\\@" in name:
        # A userPrincipalName of somebody who did not let the KDC put the account's name for it (RFC 6806 §5). It is
        # a login, never an address: that may be another's.
        return _by_own_login(name.replace("\\@", "@"), people)
    # Services and administrators (alice/admin) are no people.
    if not name or not realm or any(sign in name for sign in "/\\"):
        return None
    by_login = (own_realm and _by_own_login(name, people)) or _by_own_login(principal, people)
    return by_login or _by_address(principal, name, people, own_realm=own_realm)


def _by_own_login(name: str, people: IPeople) -> Person | None:
    """Give who has a name as a login, by whichever way they are found."""
    person = people.by_login("", name)
    return person if person is not None and name.lower() in map(str.lower, person.logins) else None


def _by_address(principal: str, name: str, people: IPeople, *, own_realm: bool) -> Person | None:
    """Give whose address a principal is, or begins like in the own realm.

    There the KDC has an account for each name: a person's own logins are theirs, and `support` of the KDC is nobody
    whose address happens to be sip:support@...
    """
    person = people.by_login("", principal)
    if person is not None and bare(person.aor) == principal.lower():
        return None if own_realm and person.logins else person
    person = people.by_login("", name) if own_realm else None
    if person is None or person.logins or bare(person.aor).partition("@")[0] != name.lower():
        return None
    return person
