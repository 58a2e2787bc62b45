"""The tables of a meeting: who is admitted, with which role, and which role may send which command; pure.

Spec: [MS-CONFBAS] 3.5, [MS-CONFPRO] 2.2.1.2; the access levels of clients are the rows of `ADMITTED`.
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
    """The relation of a joiner to a meeting: the first of these that holds, in this order."""

    ORGANIZER = "organizer"
    PRESENTER = "presenter"
    """Named a presenter by the invitation, or made one during the meeting."""

    RETURNING = "returning"
    """Was in it until their connection or the server was lost."""

    INVITED = "invited"
    COLLEAGUE = "colleague"
    """Has an account in this enterprise."""

    OUTSIDER = "outsider"
    """Has an account in another enterprise."""

    GUEST = "guest"
    """Has no account."""


class AccessLevel(enum.Enum):
    """How a meeting admits joiners: by the admission policy of its conference, unless it is locked."""

    LOCKED = "locked"
    CLOSED = "closed"
    OPEN = "open"
    ANONYMOUS = "anonymous"


LEVELS: Final[Mapping[AdmissionPolicy, AccessLevel]] = {
    AdmissionPolicy.CLOSED: AccessLevel.CLOSED,
    AdmissionPolicy.OPEN: AccessLevel.OPEN,
    AdmissionPolicy.ANONYMOUS: AccessLevel.ANONYMOUS,
}

_IN: Final = frozenset({JoinerRelation.ORGANIZER, JoinerRelation.PRESENTER, JoinerRelation.RETURNING})

ADMITTED: Final[Mapping[AccessLevel, frozenset[JoinerRelation]]] = {
    AccessLevel.LOCKED: _IN,
    AccessLevel.CLOSED: _IN | {JoinerRelation.INVITED},
    AccessLevel.OPEN: _IN | {JoinerRelation.INVITED, JoinerRelation.COLLEAGUE},
    AccessLevel.ANONYMOUS: frozenset(JoinerRelation),
}
"""Who is admitted at once; everybody else waits in the lobby, or is refused where their client knows none.

Spec: [MS-CONFPRO] 2.2.1.2. A locked meeting sends everybody new to the lobby, whatever its policy.
"""

REFUSALS: Final[Mapping[JoinerRelation, ConferenceDenied]] = {
    JoinerRelation.GUEST: ConferenceDenied(C3pReason.ANONYMOUS_NOT_ALLOWED, "This meeting is not open to guests"),
    JoinerRelation.OUTSIDER: ConferenceDenied(
        C3pReason.FEDERATED_NOT_ALLOWED, "This meeting is not open to other companies"
    ),
}
"""The refusal for a joiner who would have to wait in a lobby, and whose client knows none: one of before 2010."""

NOT_INVITED: Final = ConferenceDenied(C3pReason.UNAUTHORIZED, "This meeting is for invited people only")
LOCKED_OUT: Final = ConferenceDenied(C3pReason.UNAUTHORIZED, "This meeting is locked")


class FocusAction(enum.Enum):
    """A command that a participant sends to the focus; the value is its name in C3P."""

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
"""The commands that a role may send about others; everybody may remove themselves."""


def promoted(autopromote: Autopromote, relation: JoinerRelation, *, internal: bool) -> bool:
    """Tell whether joining makes somebody a presenter. Spec: [MS-CONFPRO] 2.2.1.2, `autopromote`."""
    if autopromote is Autopromote.EVERYONE:
        return True
    return autopromote is Autopromote.COMPANY and internal and relation is not JoinerRelation.GUEST
