"""Why somebody who has proved who they are may not sign in, as every scheme says it."""

from lyncpy.contracts.authenticator import AuthenticationDenied
from lyncpy.contracts.directory import Person, SignInObjection, objection_to


def refusal_of(person: Person, wall: float, account: str = "") -> AuthenticationDenied | None:
    """Give the denial of somebody who may not sign in; None when they may.

    Args:
        wall: Seconds since the epoch.
        account: The name that they have proved to have; "": their address alone.
    """
    objection = objection_to(person, wall)
    return None if objection is None else denial_of(objection, person, account)


def denial_of(objection: SignInObjection, person: Person, account: str) -> AuthenticationDenied:
    """Give the denial that an objection makes."""
    return AuthenticationDenied(
        objection.reason, account, person.aor, detail=objection.words, unproven=objection.unproven
    )
