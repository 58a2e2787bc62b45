"""Conferences as one device takes part in them: the focus, the roster it has heard of, and the chat.

A seat does what a real client does: it never refreshes its subscription, sends its requests
without a branch, subscribes in a dialog of its own, and applies every document of the
conference as an update, by RFC 4575 or not.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lyncpy.sip.dialog import Dialog
from lyncpy.sip.markup import quote_attr
from lyncpy.sip.message import Request, Response, response_to
from tests.kit.hall import tree
from tests.kit.sip_client import Exchange, SipClient
from tests.kit.talks import Talk, session_description

C3P_TYPE: Final = "application/cccp+xml"
INVITE_TYPE: Final = "application/ms-conf-invite+xml"
CONFERENCE_INFO: Final = "application/conference-info+xml"

_NS: Final = "urn:ietf:params:xml:ns:cccp"
_MSCI: Final = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions"
_INFO: Final = "urn:ietf:params:xml:ns:conference-info"


@dataclass(slots=True)
class Listed:
    """Somebody in the roster."""

    name: str = ""
    role: str = ""
    media: tuple[str, ...] = ()
    """Session types of their endpoints that are connected, one for each endpoint."""


def c3p(sender: str, to: str, command: str, number: int = 1) -> bytes:
    """Write a C3P request around a command."""
    return (
        f'<?xml version="1.0"?><request xmlns="{_NS}" xmlns:mscp="http://schemas.microsoft.com/rtc/2005/08/cccpextensions"'
        f' C3PVersion="1" to={quote_attr(to)} from={quote_attr(sender)} requestId="{number}">{command}</request>'
    ).encode()


def code_of(response: Response) -> str:
    """Give what a C3P response says: "success", "pending", "failure: reason", or "" when there is none."""
    if not response.body or "cccp" not in (response.headers.get("Content-Type") or ""):
        return ""
    root = tree(response.body)
    code: str = root.get("code") or ""
    return code if code != "failure" else f"failure: {root[0].get('reason')}"


def outcome_of(seat: "Seat") -> str:
    """Give what the last final answer by INFO says, e.g. "success" or "userDeclined"."""
    last = seat.responses[-1]
    return str(last.get("code") if last.get("code") != "failure" else last[0].get("reason"))


def asks_factory(client: SipClient, command: str, *, user: str = "") -> Exchange:
    """Ask a focus factory: the client's own, or another user's."""
    factory = f"{user or client.aor};gruu;opaque=app:conf:focusfactory"
    return client.service(C3P_TYPE, c3p(client.aor, factory, command), to=factory)


def new_conference(
    client: SipClient, *, policy: str = "openAuthenticated", subject: str = "", extra: str = "", id_: str = ""
) -> str:
    """Create a conference as a client does for a chat that grows; give its focus URI."""
    exchange = asks_factory(client, adding(policy=policy, subject=subject, extra=extra, id_=id_))
    if code_of(exchange.answer) != "success":
        raise AssertionError(f"no conference: {exchange.status} {code_of(exchange.answer)}")
    entity: str = tree(exchange.answer.body).find(".//conference-info").get("entity")
    return entity


def adding(*, policy: str = "openAuthenticated", subject: str = "", extra: str = "", id_: str = "") -> str:
    """Write addConference; `extra` stands at the end of the description."""
    return (
        f'<addConference><ci:conference-info xmlns:ci="{_INFO}" entity="" xmlns:msci="{_MSCI}">'
        f"<ci:conference-description><ci:subject>{subject}</ci:subject>"
        f"<msci:conference-id>{id_ or uuid.uuid4().hex.upper()}</msci:conference-id>"
        f"<msci:admission-policy>{policy}</msci:admission-policy>{extra}</ci:conference-description>"
        '<msci:conference-view><msci:entity-view entity="chat"/></msci:conference-view>'
        "</ci:conference-info></addConference>"
    )


@dataclass(eq=False)
class Seat:
    """One device in one conference.

    Attributes:
        focus: The focus URI.
        entity: Of its endpoint at the focus.
        roster: By address.
        versions: Of all documents, in order.
        documents: All of them, parsed.
        locked: What the last document that spoke of it said.
        chat: Its leg in the chat.
        texts: (author, text) of what it heard.
        responses: Final C3P answers that came by INFO.
        reports: Failure reports that came in the chat's dialog.
        is_over: Whether the focus ended it.
    """

    client: SipClient
    focus: str
    lobby_capable: bool = False
    role: str = "attendee"
    entity: str = field(default_factory=lambda: f"{{{str(uuid.uuid4()).upper()}}}")
    roster: dict[str, Listed] = field(default_factory=dict)
    versions: list[int] = field(default_factory=list)
    documents: list[Any] = field(default_factory=list)  # Any: lxml's trees
    locked: bool | None = None
    chat_uri: str = ""
    dialog: Dialog | None = None
    watching: Dialog | None = None
    chat: Talk | None = None
    texts: list[tuple[str, str]] = field(default_factory=list)
    typing: list[str] = field(default_factory=list)
    responses: list[Any] = field(default_factory=list)  # Any: as above
    reports: list[Request] = field(default_factory=list)
    is_over: bool = False
    is_watching: bool = False
    _number: int = 1

    # --- coming and going

    def joins(self) -> Exchange:
        """Join the focus, see the roster, and join the chat: all that a client does."""
        exchange = self.knocks()
        if self.dialog is not None and code_of(exchange.answer) == "success":
            self.watches()
            if self.chat_uri:
                self.joins_chat()
        return exchange

    def knocks(self) -> Exchange:
        """Send the INVITE with addUser, and no more."""
        capable = (
            "<msci:clientInfo><msci:lobby-capable>true</msci:lobby-capable></msci:clientInfo>"
            if self.lobby_capable
            else ""
        )
        command = (
            f"<addUser><conferenceKeys confEntity={quote_attr(self.focus)}/>"
            f'<ci:user xmlns:ci="{_INFO}" entity="{self.client.aor}">'
            f"<ci:roles><ci:entry>{self.role}</ci:entry></ci:roles>"
            f'<ci:endpoint entity="{self.entity}" xmlns:msci="{_MSCI}">{capable}</ci:endpoint></ci:user></addUser>'
        )
        fields = [
            ("Supported", "ms-sender"),
            ("Supported", "timer"),
            ("Contact", f"<{self.client.gruu}>"),
            ("Content-Type", C3P_TYPE),
        ]
        request = self.client.request("INVITE", self.focus, fields, c3p(self.client.aor, self.focus, command))

        def answered(response: Response) -> None:
            if response.status == 200:
                self.dialog = Dialog.from_response(exchange.request, response)
                self.is_over = False
                self.client.begin(self.dialog.ack(exchange.request), branch=False)

        exchange = self.client.begin(request, branch=False, on_answer=answered)
        self.client.passes(0.1)
        return exchange

    def watches(self) -> Exchange:
        """Subscribe to the conference, in a dialog of its own."""
        request = self.client.request("SUBSCRIBE", self.focus, self._watching_fields())

        def answered(response: Response) -> None:
            if response.status == 200:
                self.watching = Dialog.from_response(exchange.request, response)
                self.is_watching = True
                if response.headers.get("ms-piggyback-cseq") is not None:
                    self.takes(response.body)

        exchange = self.client.begin(request, branch=False, on_answer=answered)
        self.client.passes(0.1)
        return exchange

    def goes_on_watching(self, expires: int = 3600) -> Exchange:
        """Refresh the subscription in its dialog, as clients do that keep to the RFC; 0 ends it."""
        if self.watching is None:
            raise AssertionError("not watching")
        request = self.watching.next_request("SUBSCRIBE", [*self._watching_fields(), ("Expires", str(expires))])
        exchange = self.client.begin(request, branch=False)
        self.client.passes(0.1)
        if exchange.status == 200 and exchange.answer.headers.get("ms-piggyback-cseq") is not None:
            self.takes(exchange.answer.body)
        return exchange

    def joins_chat(self, mcu: str = "") -> Talk:
        """Join the medium."""
        uri = mcu or self.chat_uri
        if not uri:
            raise AssertionError("no document named the chat")
        fields = [("Supported", "ms-sender"), ("Contact", f"<{self.client.gruu}>"), ("Content-Type", "application/sdp")]
        invite = self.client.request("INVITE", uri, fields, session_description(self.client))
        talk = self.chat = Talk(self.client, uri, invite)
        talk.exchange = self.client.begin(invite, branch=False, on_answer=talk.answered)
        self.client.passes(0.1)
        return talk

    def leaves(self) -> None:
        """Leave as a real client does: unsubscribe in a new dialog, then BYE to the focus and to the medium."""
        request = self.client.request("SUBSCRIBE", self.focus, [*self._watching_fields(), ("Expires", "0")])
        self.client.begin(request, branch=False)
        self.is_watching = False
        for dialog in (self.dialog, None if self.chat is None else self.chat.dialog):
            if dialog is not None:
                self.client.begin(dialog.next_request("BYE"), branch=False)
        self.dialog = None
        self.is_over = True
        self.client.passes(0.1)

    # --- saying and commanding

    def says(self, text: str, content_type: str = "text/plain; charset=UTF-8") -> Exchange:
        """Say something to all."""
        if self.chat is None:
            raise AssertionError("not in the chat")
        return self.chat.says(text, content_type)

    def commands(self, command: str) -> Exchange:
        """Send a C3P command within the focus's dialog."""
        if self.dialog is None:
            raise AssertionError("not in the conference")
        self._number += 1
        body = c3p(self.client.aor, self.focus, command, self._number)
        request = self.dialog.next_request("INFO", [("Contact", f"<{self.client.gruu}>")], body, C3P_TYPE)
        exchange = self.client.ask(request, branch=False)
        self.client.passes(0.1)
        return exchange

    def locks(self, locked: str = "true") -> Exchange:
        """Lock the conference, or unlock it."""
        return self.commands(
            f"<modifyConferenceLock><conferenceKeys confEntity={quote_attr(self.focus)}/><locked>{locked}</locked>"
            "</modifyConferenceLock>"
        )

    def promotes(self, user: str, role: str = "presenter") -> Exchange:
        """Give somebody a role."""
        return self.commands(
            f'<modifyUserRoles><userKeys confEntity={quote_attr(self.focus)} userEntity="{user}"/>'
            f'<user-roles xmlns="{_INFO}"><entry>{role}</entry></user-roles></modifyUserRoles>'
        )

    def ejects(self, user: str) -> Exchange:
        """Remove somebody."""
        return self.commands(
            f'<deleteUser><userKeys confEntity={quote_attr(self.focus)} userEntity="{user}"/></deleteUser>'
        )

    def decides_on(self, user: str, access: str = "granted") -> Exchange:
        """Let somebody in who waits in the lobby, or send them away ("denied")."""
        return self.commands(
            f"<setLobbyAccess><conferenceKeys confEntity={quote_attr(self.focus)}/><userEntity>{user}</userEntity>"
            f"<access>{access}</access></setLobbyAccess>"
        )

    def ends(self) -> Exchange:
        """End it for everybody."""
        return self.commands(
            f"<deleteConference><conferenceKeys confEntity={quote_attr(self.focus)}/></deleteConference>"
        )

    def calls_in(self, user: str, number: str = "") -> Exchange:
        """Have the focus invite somebody, under a phone number if one is given."""
        uri = f"<msci:endpoint-uri>{number}</msci:endpoint-uri>" if number else ""
        return self.commands(
            f'<addUser><conferenceKeys confEntity={quote_attr(self.focus)}/><ci:user xmlns:ci="{_INFO}" entity="{user}">'
            f'<ci:endpoint entity="{{1}}" xmlns:msci="{_MSCI}"><ci:joining-method>dialed-out</ci:joining-method>{uri}'
            "</ci:endpoint></ci:user></addUser>"
        )

    def invites(self, other: str, conversation: str = "") -> Exchange:
        """Invite somebody to the conference."""
        body = (
            f'<Conferencing version="2.0"><focus-uri>{self.focus}</focus-uri><subject/>'
            '<im available="true"><first-im/></im></Conferencing>'
        ).encode()
        fields = [
            ("Supported", "ms-sender"),
            ("Contact", f"<{self.client.gruu}>"),
            ("Content-Type", INVITE_TYPE),
            *([("Ms-Conversation-ID", conversation)] if conversation else []),
        ]
        request = self.client.request("INVITE", other, fields, body)

        def answered(response: Response) -> None:
            if response.status == 200:
                self.client.begin(Dialog.from_response(exchange.request, response).ack(exchange.request), branch=False)

        exchange = self.client.begin(request, branch=False, on_answer=answered)
        self.client.passes(0.3)
        return exchange

    # --- what comes

    def takes(self, body: bytes) -> None:
        """Apply a document of the conference."""
        root = tree(body)
        if root.get("entity") != self.focus:
            raise AssertionError(f"a document about {root.get('entity')}")
        self.documents.append(root)
        self.versions.append(int(root.get("version")))
        if root.get("state") == "full":
            self.roster.clear()
        for user in root.iterfind("users/user"):
            self._take_user(user)
        for entry in root.iterfind("conference-description/conf-uris/entry"):
            if entry.findtext("purpose") == "chat":
                self.chat_uri = self.chat_uri or entry.findtext("uri")
        for view in root.iterfind("conference-view/entity-view/entity-state"):
            kinds = [one.text for one in view.iterfind("media/entry/type")]
            if "chat" in kinds and view.find("locked") is not None:
                self.locked = view.findtext("locked") == "true"

    def _take_user(self, user: Any) -> None:  # Any: lxml's element
        if user.get("state") == "deleted":
            self.roster.pop(user.get("entity"), None)
            return
        listed = self.roster.setdefault(user.get("entity"), Listed())
        listed.name = user.findtext("display-text") or listed.name
        listed.role = user.findtext("roles/entry") or listed.role
        listed.media = tuple(
            sorted(_session_type(one) for one in user.iterfind("endpoint") if one.findtext("status") == "connected")
        )

    def who_chats(self) -> Sequence[str]:
        """Give the users who are in the chat, by the roster."""
        return sorted(address.partition("@")[0][4:] for address, one in self.roster.items() if "chat" in one.media)

    def is_mine(self, request: Request) -> bool:
        """Tell whether a request came in one of this seat's dialogs."""
        dialogs = (self.dialog, None if self.chat is None else self.chat.dialog)
        name = (request.call_id, request.to.tag or "", request.from_.tag or "")
        return any(one is not None and one.key == name for one in dialogs)

    def hears(self, request: Request) -> Response:
        """React to a request in one of its dialogs."""
        if request.method == "MESSAGE":
            self.texts.append((_author(request), request.body.decode()))
        elif request.method == "INFO" and b"cccp" in request.body[:400]:
            self.responses.append(tree(request.body))
        elif request.method == "INFO":
            self.typing.append(_author(request))
        elif request.method in ("NOTIFY", "BENOTIFY"):
            self.reports.append(request)
        elif request.method == "BYE":
            if self.chat is not None and self.chat.dialog is not None and request.call_id == self.chat.dialog.call_id:
                self.chat.is_over = True
            else:
                self.is_over = True
        return response_to(request, 200)

    def _watching_fields(self) -> list[tuple[str, str]]:
        return [
            ("Event", "conference"),
            ("Accept", CONFERENCE_INFO),
            *(("Supported", way) for way in ("com.microsoft.autoextend", "ms-benotify", "ms-piggyback-first-notify")),
            ("Proxy-Require", "ms-benotify"),
            ("Contact", f"<{self.client.gruu}>"),
        ]


def _session_type(endpoint: Any) -> str:  # Any: lxml's element
    """Read an attribute as a real client does, with any prefix or none."""
    return next((value for name, value in endpoint.items() if name.rpartition("}")[2] == "session-type"), "")


def _author(request: Request) -> str:
    value = request.headers.get("Ms-Sender") or ""
    return value.partition("sip:")[2].partition("@")[0]


def focus_of(request: Request) -> str:
    """Give the focus URI of an invitation to a conference."""
    found: str = tree(request.body).findtext("focus-uri")
    return found
