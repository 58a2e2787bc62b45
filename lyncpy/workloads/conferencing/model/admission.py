"""Who comes in, as what, and who may do what: the tables of a meeting; pure.

Spec: [MS-CONFBAS] 3.5, [MS-CONFPRO] 2.2.1.2; the access levels "closed", "open", "anonymous"
and "locked" of clients are the rows of `DOORS`.
"""

import enum
from collections.abc import Mapping
from typing import Final

from lyncpy.workloads.conferencing.model.conference import (
    AdmissionPolicy,
    Autopromote,
    C3pReason,
    ConferenceDenied,
    ConferenceRole,
)


class JoinerRelation(enum.Enum):
    """What a joiner is to a meeting; the first that holds, in this order."""

    ORGANIZER = "organizer"
    PRESENTER = "presenter"
    """Named a presenter by the invitation, or made one during the meeting."""

    RETURNING = "returning"
    """Was in it until his connection or the server was lost."""

    INVITED = "invited"
    COLLEAGUE = "colleague"
    """Has an account of this enterprise."""

    OUTSIDER = "outsider"
    """Has an account of another."""

    GUEST = "guest"
    """Has none."""


class JoinDecision(enum.Enum):
    """What becomes of a joiner."""

    ADMIT = "admit"
    LOBBY = "lobby"


LOCKED: Final = "locked"
"""The row of a locked meeting, whatever its admission policy."""

_IN: Final = frozenset({JoinerRelation.ORGANIZER, JoinerRelation.PRESENTER, JoinerRelation.RETURNING})

ADMITTED: Final[Mapping[AdmissionPolicy | str, frozenset[JoinerRelation]]] = {
    LOCKED: _IN,
    AdmissionPolicy.CLOSED: _IN | {JoinerRelation.INVITED},
    AdmissionPolicy.OPEN: _IN | {JoinerRelation.INVITED, JoinerRelation.COLLEAGUE},
    AdmissionPolicy.ANONYMOUS: frozenset(JoinerRelation),
}
"""Who walks in; everybody else asks in the lobby, or is refused where his client knows none."""

DOORS: Final[Mapping[tuple[AdmissionPolicy | str, JoinerRelation], JoinDecision]] = {
    (row, relation): JoinDecision.ADMIT if relation in admitted else JoinDecision.LOBBY
    for row, admitted in ADMITTED.items()
    for relation in JoinerRelation
}

REFUSALS: Final[Mapping[JoinerRelation, ConferenceDenied]] = {
    JoinerRelation.GUEST: ConferenceDenied(C3pReason.ANONYMOUS_NOT_ALLOWED, "This meeting is not open to guests"),
    JoinerRelation.OUTSIDER: ConferenceDenied(
        C3pReason.FEDERATED_NOT_ALLOWED, "This meeting is not open to other companies"
    ),
}
"""What somebody is told who would have to wait in a lobby that his client does not know."""

NOT_INVITED: Final = ConferenceDenied(C3pReason.UNAUTHORIZED, "This meeting is for invited people only")
SHUT: Final = ConferenceDenied(C3pReason.UNAUTHORIZED, "This meeting is locked")


class FocusAction(enum.Enum):
    """What a participant may ask of the focus; the value is the command's name."""

    ADD_USER = "addUser"
    DELETE_USER = "deleteUser"
    MODIFY_USER_ROLES = "modifyUserRoles"
    MODIFY_CONFERENCE_LOCK = "modifyConferenceLock"
    MODIFY_CONFERENCE = "modifyConference"
    DELETE_CONFERENCE = "deleteConference"
    SET_LOBBY_ACCESS = "setLobbyAccess"
    GET_CONFERENCE = "getConference"


MAY: Final[Mapping[ConferenceRole, frozenset[FocusAction]]] = {
    ConferenceRole.PRESENTER: frozenset(FocusAction),
    ConferenceRole.ATTENDEE: frozenset({FocusAction.GET_CONFERENCE}),
}
"""Which role may do what, with others; anybody may take himself out."""


def promoted(autopromote: Autopromote, relation: JoinerRelation, *, internal: bool) -> bool:
    """Say whether joining makes somebody a presenter."""
    if autopromote is Autopromote.EVERYONE:
        return True
    return autopromote is Autopromote.COMPANY and internal and relation is not JoinerRelation.GUEST
