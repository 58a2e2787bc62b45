"""C3P: requests read, responses written ([MS-CONFBAS] 2.2, [MS-CONFPRO] 2.2).

Names are matched without their namespaces. URIs that a client wrote go back to it as it
spelled them: it compares them letter by letter.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, child, children, local, outer_xml, quote_attr, read_xml, text_of
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.conferencing.model.conference import (
    FOCUS,
    C3pReason,
    ConferenceDenied,
    ConferenceRequest,
    ConferenceRole,
    read_address,
)

C3P_TYPE: Final = "application/cccp+xml"
C3P_NS: Final = "urn:ietf:params:xml:ns:cccp"
INFO_NS: Final = "urn:ietf:params:xml:ns:conference-info"

NOT_IMPLEMENTED: Final = Diagnostics(3004, "The requested C3P command is not implemented", public=True)

WORD_LETTERS: Final = 64
"""Letters of a command's name, at most; the longest of the protocol has half as many."""

URI_LETTERS: Final = 1024
ENTITY_LETTERS: Final = 256
NAME_LETTERS: Final = 256


@dataclass(frozen=True, slots=True)
class C3pCommand:
    """One C3P request with its command."""

    name: str
    """The command, e.g. "addConference"."""

    request_id: str
    from_: str
    to: str
    element: Element
    """The element of the command."""


def read_request(body: bytes) -> C3pCommand:
    """Read a C3P request.

    Raises:
        RemoteProtocolError: Not one command in a request.
    """
    root = read_xml(body)
    if local(root) != "request" or len(root) != 1:
        raise RemoteProtocolError("a C3P request holds one command")
    name = local(root[0])
    if len(name) > WORD_LETTERS:
        raise RemoteProtocolError("no C3P command has so long a name")
    return C3pCommand(name, _attr(root, "requestId"), _attr(root, "from"), _attr(root, "to"), root[0])


# -- commands in a conference -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FocusRequest:
    """A command to a focus."""

    conf_entity: str
    """The focus URI as the client spelled it; "" when it named none."""


@dataclass(frozen=True, slots=True)
class AddUser(FocusRequest):
    """Add the sender to the meeting; or, with `dials_out`, call somebody else. Spec: [MS-CONFBAS] 2.2.3.3."""

    user: Aor
    user_entity: str
    """The user's URI as the client spelled it."""

    entity: str
    """The name that the client gives its endpoint; "" when it gives none."""

    display_name: str
    role: str
    """The role that the client asks for; it decides nothing."""

    lobby_capable: bool
    dials_out: bool
    target: str
    """The URI to call; "" for the user's own."""


@dataclass(frozen=True, slots=True)
class DeleteUser(FocusRequest):
    """Remove a participant."""

    user: Aor


@dataclass(frozen=True, slots=True)
class SetRole(FocusRequest):
    """Change a participant's role."""

    user: Aor
    role: ConferenceRole


@dataclass(frozen=True, slots=True)
class SetLock(FocusRequest):
    """Lock or unlock the meeting, and change its admission; an empty `requested` changes none of that."""

    locked: bool
    requested: ConferenceRequest


@dataclass(frozen=True, slots=True)
class SetLobbyAccess(FocusRequest):
    """Admit people from the lobby, or remove them from it. Spec: [MS-CONFBAS] 4.4.8."""

    users: tuple[Aor, ...]
    granted: bool


@dataclass(frozen=True, slots=True)
class ModifyConference(FocusRequest):
    """Modify the conference; where it concerns an MCU, `mcu` is its URI, else ""."""

    requested: ConferenceRequest
    mcu: str


@dataclass(frozen=True, slots=True)
class DeleteConference(FocusRequest):
    """End the meeting for everybody."""


@dataclass(frozen=True, slots=True)
class GetConference(FocusRequest):
    """Return the roster."""


@dataclass(frozen=True, slots=True)
class UnknownCommand(FocusRequest):
    """A command that this server does not implement."""


def read_focus_request(command: C3pCommand) -> FocusRequest | ConferenceDenied:
    """Read a command to a focus; a malformed one is denied with a reason of the protocol."""
    reader = _READERS.get(command.name)
    return UnknownCommand(_keys(command.element)) if reader is None else reader(command.element)


def _keys(element: Element) -> str:
    """Return the focus URI that a command names, as it is spelled; "" when it names none."""
    for name in ("conferenceKeys", "userKeys", "endpointKeys", "mediaKeys"):
        keys = child(element, name)
        if keys is not None:
            return _attr(keys, "confEntity")
    return ""


def _user(uri: str | None) -> Aor | None:
    """Read the address of a user entity; None: it is no address."""
    text = (uri or "").strip()
    try:
        parsed = parse_uri(text) if len(text) <= URI_LETTERS else None
    except RemoteProtocolError:
        return None
    return aor_of(parsed.aor) if parsed is not None and parsed.user and parsed.host else None


_MALFORMED: Final = ConferenceDenied(C3pReason.REQUEST_MALFORMED)
_NO_USER: Final = ConferenceDenied(C3pReason.INVALID_USER)


def _read_add_user(element: Element) -> FocusRequest | ConferenceDenied:
    users = children(element, "user")
    if len(users) != 1:
        return _MALFORMED
    spelled = attr(users[0], "entity") or ""
    user = _user(spelled)
    if user is None:
        return _NO_USER
    # A client need not describe its endpoint; in a dial-out that says whom to call ([MS-CONFBAS] 2.2.3.15).
    endpoint = child(users[0], "endpoint")
    roles = child(users[0], "roles")
    entity = "" if endpoint is None else attr(endpoint, "entity") or ""
    if len(entity) > ENTITY_LETTERS:
        return _MALFORMED
    method = _word(endpoint, "joining-method")
    return AddUser(
        _keys(element),
        user,
        spelled,
        entity,
        _word(users[0], "display-text")[:NAME_LETTERS],
        "" if roles is None else _word(roles, "entry")[:WORD_LETTERS],
        lobby_capable=_lobby_capable(users[0]) or (endpoint is not None and _lobby_capable(endpoint)),
        dials_out=method == "dialed-out",
        target="" if endpoint is None else (attr(endpoint, "endpoint-uri") or _word(endpoint, "endpoint-uri")),
    )


def _lobby_capable(element: Element) -> bool:
    """Tell whether a client knows lobbies ([MS-CONFBAS] 2.2.3.4).

    The examples there have the element below the user, the rules have it below the endpoint.
    """
    info = child(element, "clientInfo")
    return info is not None and _word(info, "lobby-capable") == "true"


def _read_delete_user(element: Element) -> FocusRequest | ConferenceDenied:
    user = _user_of_keys(element)
    return _NO_USER if user is None else DeleteUser(_keys(element), user)


def _user_of_keys(element: Element) -> Aor | None:
    keys = child(element, "userKeys")
    return None if keys is None else _user(attr(keys, "userEntity"))


def _read_set_role(element: Element) -> FocusRequest | ConferenceDenied:
    user = _user_of_keys(element)
    if user is None:
        return _NO_USER
    roles = child(element, "user-roles")
    role = _ROLES.get("" if roles is None else _word(roles, "entry"))
    return ConferenceDenied(C3pReason.INVALID_ROLE) if role is None else SetRole(_keys(element), user, role)


def _read_set_lock(element: Element) -> FocusRequest | ConferenceDenied:
    locked = _truth(element, "locked")
    if locked is None:
        return _MALFORMED
    requested = ConferenceRequest(
        admission=_said(element, "admission-policy"),
        autopromote=_number(element, "autopromote"),
        pstn_lobby_bypass=_truth(element, "pstn-lobby-bypass"),
    )
    return SetLock(_keys(element), locked, requested)


def _read_lobby_access(element: Element) -> FocusRequest | ConferenceDenied:
    access = _word(element, "access")
    users = tuple(_user(text_of(user)) for user in children(element, "userEntity"))
    known = tuple(user for user in users if user is not None)
    # One bad address denies all: the presenter has chosen them together.
    if not known or len(known) != len(users):
        return _NO_USER
    if access not in ("granted", "denied"):
        return _MALFORMED
    return SetLobbyAccess(_keys(element), known, access == "granted")


def _read_modify(element: Element) -> FocusRequest | ConferenceDenied:
    info = child(element, "conference-info")
    if info is None:
        return _MALFORMED
    requested = read_conference_request(info)
    if isinstance(requested, ConferenceDenied):
        return requested
    conf_entity = _keys(element) or _attr(info, "entity")
    return ModifyConference(conf_entity, requested, _attr(element, "mcuUri"))


_ROLES: Final[Mapping[str, ConferenceRole]] = {role.value: role for role in ConferenceRole}

_READERS: Final[Mapping[str, Callable[[Element], FocusRequest | ConferenceDenied]]] = {
    "addUser": _read_add_user,
    "deleteUser": _read_delete_user,
    "modifyUserRoles": _read_set_role,
    "modifyConferenceLock": _read_set_lock,
    "setLobbyAccess": _read_lobby_access,
    "modifyConference": _read_modify,
    "deleteConference": lambda element: DeleteConference(_keys(element)),
    "getConference": lambda element: GetConference(_keys(element)),
}


# -- conferences as clients describe them -----------------------------------------------------


def read_conference_request(info: Element) -> ConferenceRequest | ConferenceDenied:
    """Read which properties a conference-info requests for a conference.

    Elements that are missing stay None. A number or a time that cannot be read is denied here; a word
    that the protocol does not have is left for the rules to deny.

    Spec: [MS-CONFPRO] 2.2.1.
    """
    about = child(info, "conference-description")
    if about is None:
        return ConferenceRequest(media=read_mcu_types(info), version=_number(info, "version"))
    expires, autopromote = _said(about, "expiry-time"), _said(about, "autopromote")
    until = None if expires is None else _time(expires)
    if expires is not None and until is None:
        return ConferenceDenied(C3pReason.INVALID_EXPIRY)
    promoted = None if autopromote is None else _whole(autopromote)
    if autopromote is not None and promoted is None:
        return ConferenceDenied(C3pReason.INVALID_AUTOPROMOTE)
    invited = _invited(info)
    if isinstance(invited, ConferenceDenied):
        return invited
    data = child(about, "notification-data")
    return ConferenceRequest(
        id=_said(about, "conference-id"),
        subject=_said(about, "subject"),
        display_text=_said(about, "display-text"),
        expires=until,
        admission=_said(about, "admission-policy"),
        autopromote=promoted,
        pstn_lobby_bypass=_truth(about, "pstn-lobby-bypass"),
        media=read_mcu_types(info),
        invited=invited,
        passcode=_said(about, "conference-key"),
        notification_data=None if data is None else outer_xml(data),
        static=_flag(attr(info, "static")),
    )


def read_conference_id(element: Element) -> str:
    """Read which conference a factory's command names, by id or by its URI as `confEntity`; "": none."""
    keys = child(element, "conferenceKeys")
    if keys is None:
        return ""
    return _attr(keys, "conference-id") or _attr(keys, "confEntity")


def read_page(element: Element, most: int) -> tuple[int, int]:
    """Read which part of a list is requested: the number to skip, and the number to return, at most `most`."""
    skip, limit = _whole(attr(element, "offset") or "0"), _whole(attr(element, "limit") or str(most))
    return max(0, skip or 0), min(most, most if limit is None else max(0, limit))


def read_mcu_types(info: Element) -> tuple[str, ...] | None:
    """Read which types of MCU a conference-info names, each once; None: it does not say.

    Of a conference that exists, a client may name the URIs of its MCUs, and of its focus, which is none.
    """
    view = child(info, "conference-view")
    if view is None:
        return None
    named = [_mcu_type((attr(entity, "entity") or "").strip()) for entity in children(view, "entity-view")]
    # A view of nothing but the focus says nothing of the media.
    return None if named and set(named) == {FOCUS} else tuple(dict.fromkeys(kind for kind in named if kind != FOCUS))


def _mcu_type(entity: str) -> str:
    address = read_address(entity) if ":" in entity else None
    return (entity if address is None else address.kind)[:WORD_LETTERS]


def _invited(info: Element) -> tuple[tuple[Aor, str], ...] | ConferenceDenied | None:
    users = child(info, "users")
    if users is None:
        return None
    invited: list[tuple[Aor, str]] = []
    for entry in children(users, "user"):
        user, roles = _user(attr(entry, "entity")), child(entry, "roles")
        if user is None:
            return _NO_USER
        invited.append((user, (roles is not None and _word(roles, "entry")) or ConferenceRole.ATTENDEE.value))
    return tuple(invited)


def _attr(element: Element, name: str) -> str:
    return (attr(element, name) or "")[:URI_LETTERS]


def _said(element: Element, name: str) -> str | None:
    found = child(element, name)
    return None if found is None else text_of(found).strip()


def _word(element: Element | None, name: str) -> str:
    return "" if element is None else _said(element, name) or ""


def _number(element: Element, name: str) -> int | None:
    return _whole(attr(element, name) or _said(element, name) or "")


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _truth(element: Element, name: str) -> bool | None:
    return _flag(_said(element, name))


def _flag(text: str | None) -> bool | None:
    """Read a boolean of XML Schema (part 2, 3.2.2); None: it is none."""
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").strip().lower())


def _time(text: str) -> float | None:
    """Read a dateTime, in UTC where it names no zone, as seconds since the epoch; None: it is none."""
    try:
        when = datetime.fromisoformat(text)
        at = (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return at if math.isfinite(at) else None


# -- responses --------------------------------------------------------------------------------


def write_success(command: C3pCommand, content: str = "", attributes: str = "") -> bytes:
    """Write the response to a command that was carried out.

    Args:
        content: XML within the command's element.
        attributes: Of the command's element, each with a space before it.
    """
    return _response(command, "success", f"<{command.name}{attributes}>{content}</{command.name}>")


def write_pending(command: C3pCommand) -> bytes:
    """Write the response to a command that is being carried out; its final response follows by INFO."""
    return _response(command, "pending", f"<{command.name}/>")


def write_failure(command: C3pCommand, reason: C3pReason) -> bytes:
    """Write the response to a command that failed, with the reason."""
    return _response(command, "failure", f'<{command.name} reason="{reason.value}"/>')


def write_added(command: C3pCommand, ask: AddUser, role: ConferenceRole) -> bytes:
    """Write the response to an addUser: the user has joined with this role.

    Spec: [MS-CONFBAS] 2.2.3.4: the keys unchanged, one user, one role. Client: it reads the code alone.
    """
    return write_success(
        command,
        f"<conferenceKeys confEntity={quote_attr(ask.conf_entity)}/>"
        f'<user xmlns="{INFO_NS}" entity={quote_attr(ask.user_entity)}>'
        f"<roles><entry>{role.value}</entry></roles>"
        f"<endpoint entity={quote_attr(ask.entity)}/></user>",
    )


def write_capabilities(command: C3pCommand, mcu_types: tuple[str, ...], *, guests: bool) -> bytes:
    """Write which media conferences can have, in response to either command that asks for them.

    Spec: [MS-CONFPRO] 2.2.3.8; the capability version of this revision is 0. Client: it looks
    at `code`, and at the types to decide what it offers.
    """
    types = "".join(f"<mcuType>{kind}</mcuType>" for kind in mcu_types)
    if command.name == "getAvailableMcuTypes":
        return write_success(command, f"<mcu-types>{types}</mcu-types>")
    anonymous = f"<anonymous-scheduling>{str(guests).lower()}</anonymous-scheduling>"
    return write_success(command, f"<mcu-types>{types}</mcu-types>{anonymous}", ' capability-version="0"')


def _response(command: C3pCommand, code: str, content: str) -> bytes:
    return (
        f'<response xmlns="{C3P_NS}" C3PVersion="1" requestId={quote_attr(command.request_id)}'
        f' from={quote_attr(command.to)} to={quote_attr(command.from_)} code="{code}">{content}</response>'
    ).encode()


def refused(denied: ConferenceDenied) -> Refused:
    """Turn a denial into a SIP refusal, for a command that came with an INVITE.

    Client: it shows the reason of the diagnostics as it is.
    """
    status, known = _STATUSES.get(denied.reason, (403, Diagnostics(3014, "You are not allowed to do this")))
    return Refused(status, replace(known, reason=denied.text or known.reason))


_STATUSES: Final[Mapping[C3pReason, tuple[int, Diagnostics]]] = {
    C3pReason.CONFERENCE_DOES_NOT_EXIST: (404, Diagnostics(3003, "This meeting does not exist or is over")),
    C3pReason.USER_DOES_NOT_EXIST: (403, Diagnostics(3002, "Invalid target user")),
    C3pReason.INVALID_USER: (400, Diagnostics(3007, "The request to join names no valid user")),
    C3pReason.REQUEST_MALFORMED: (400, Diagnostics(3006, "Failed to parse the C3P request")),
    C3pReason.INVALID_ROLE: (400, Diagnostics(3016, "The supplied role is invalid")),
    C3pReason.SERVER_BUSY: (503, Diagnostics(1, "Service unavailable")),
}
