"""Alice, Bob and Carol: each a device of a user that signs in, publishes, watches, invites and says.

An actor answers what the server sends as a real client does, and can be told to be silent,
slow or dismissive. What it learns is in `own`, `contacts` and `others` (`tests.kit.views`),
whom it talks with in `talks` (`tests.kit.talks`). Every message is signed, every signature
of the server checked (`tests.kit.sip_client`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from lyncpy.contracts.names import aor_of
from lyncpy.sip.body import read_multipart
from lyncpy.sip.message import Request, Response, response_to
from tests.kit.hall import tree
from tests.kit.meetings import INVITE_TYPE, Seat, focus_of, new_conference
from tests.kit.network import Network
from tests.kit.presence import ROAMING_LIST, USER_INSTANCE, batch_body, note, publication, publish_body, state
from tests.kit.sip_client import Exchange, SipClient
from tests.kit.talks import PLAIN, PROMPT, RINGING, SILENT, Manner, Talk, Text, invitation
from tests.kit.views import ContactBook, Key, Others, OwnData, Seen

CONTACTS: Final = "vnd-microsoft-roaming-contacts"
PROVISIONING: Final = "vnd-microsoft-provisioning-v2"
SELF: Final = "vnd-microsoft-roaming-self"
PRESENCE: Final = "presence"

BATCH_TYPE: Final = "application/msrtc-adrl-categorylist+xml"
PUBLISH_TYPE: Final = "application/msrtc-category-publish+xml"
MEMBERS_TYPE: Final = "application/msrtc-setcontainermembers+xml"
SUBSCRIBER_TYPE: Final = "application/msrtc-presence-setsubscriber+xml"
DELEGATES_TYPE: Final = "application/msrtc-setdelegates+xml"
SOAP_TYPE: Final = "application/SOAP+xml"
C3P_TYPE: Final = "application/cccp+xml"

NOTE_CONTAINERS: Final = (200, 300, 400)

GROUPS_WANTED: Final = (
    '<provisioningGroupList xmlns="http://schemas.microsoft.com/2006/09/sip/provisioninggrouplist">'
    + "".join(
        f'<provisioningGroup name="{name}"/>'
        for name in (
            "ServerConfiguration",
            "endpointConfiguration",
            "meetingPolicy",
            "ucPolicy",
            "userSetting",
            "locationProfile",
            "publicationGrammar",
        )
    )
    + "</provisioningGroupList>"
).encode()


class Actor:
    """One device of one user.

    Attributes:
        sip: Its SIP.
        own: The user's own data.
        contacts: His contact list.
        others: Whom he watches, as they look to him.
        talks: His conversations, oldest first.
        texts: What he was told, in any conversation or none.
        manner: How he reacts to invitations.
        seats: His places in conferences, oldest first.
        ignores_messages: He answers no MESSAGE.
        provisions: Group → XML, of the answer at sign-in.
    """

    makes: type[SipClient] = SipClient

    def __init__(
        self,
        network: Network,
        user: str,
        domain: str,
        *,
        passes: Callable[[float], None],
        **how: Any,  # Any: the rest of what SipClient takes
    ) -> None:
        """Take a device that is not connected."""
        self.sip = self.makes(network, user, domain, passes=passes, **how)
        self.sip.documents = self._document
        self.sip.answers.update(
            INVITE=self._invited,
            CANCEL=self._cancelled,
            MESSAGE=self._told,
            INFO=self._informed,
            BYE=self._left,
            BENOTIFY=self._reported_to,
        )
        self.own = OwnData()
        self.contacts = ContactBook()
        self.others = Others()
        self.talks: list[Talk] = []
        self.texts: list[Text] = []
        self.manner = PROMPT
        self.ignores_messages = False
        self.seats: list[Seat] = []
        self.provisions: dict[str, Any] = {}  # Any: lxml's elements
        self._later = network.clock.callLater

    @property
    def aor(self) -> str:
        """Give the user's address."""
        return self.sip.aor

    @property
    def domain(self) -> str:
        """Give the user's domain."""
        return self.sip.domain

    def passes(self, seconds: float) -> None:
        """Let time pass, unless the actor is in a hurry."""
        self.sip.passes(seconds)

    @contextmanager
    def in_one_breath(self) -> Iterator[None]:
        """Let no time pass between what the actor does inside the block."""
        self.sip.is_hurried = True
        try:
            yield
        finally:
            self.sip.is_hurried = False
            self.passes(0)

    # --- signing in and out

    def signs_in(self) -> Mapping[str, Exchange]:
        """Do all that a client does at sign-in; give every request by what it is about."""
        register = self.sip.register()
        if register.status != 200:
            raise AssertionError(f"{self.aor} cannot sign in: {register.status}")
        self.own = OwnData()  # a real client remembers no version from one connection to the next
        return {"register": register, **self.asks_at_sign_in()}

    def asks_at_sign_in(self) -> Mapping[str, Exchange]:
        """Ask what a client asks once it is signed in: three subscriptions in a burst, then what follows from them."""
        asked = {
            CONTACTS: self.sip.subscribe(CONTACTS),
            PROVISIONING: self.sip.subscribe(
                PROVISIONING,
                GROUPS_WANTED,
                "application/vnd-microsoft-roaming-provisioning-v2+xml",
                expires=0,
            ),
            SELF: self.sip.subscribe(SELF, ROAMING_LIST, "application/vnd-microsoft-roaming-self+xml"),
        }
        self.passes(0.1)
        if self.contacts.people:
            asked[PRESENCE] = self.watches(*self.contacts.people)
        asked["capabilities"] = self.asks_focus_factory()
        asked["persistent chat"] = self.invites(f"sip:ocschat@{self.domain}").exchange  # type: ignore[assignment]  # the caller has one
        self.talks.clear()
        asked["containers"] = self.sets_members(
            {200: '<member action="add" type="sameEnterprise"/>', 100: '<member action="add" type="federated"/>'}
        )
        asked["publish"] = self.publishes(3500)
        return asked

    def signs_out(self) -> None:
        """Sign out as a client does, and hang up."""
        for event in list(self.sip.subscriptions):
            self.sip.subscribe(event, expires=0)
        self.sip.register(expires=0)
        self.hangs_up_the_line()

    def hangs_up_the_line(self) -> None:
        """Close the connection politely."""
        self.sip.connect().hang_up()
        self.passes(0.1)

    def is_cut_off(self) -> None:
        """Lose the connection."""
        self.sip.connect().cut()
        self.passes(0.1)

    def asks_focus_factory(self) -> Exchange:
        """Ask what meetings can do."""
        factory = f"{self.aor};gruu;opaque=app:conf:focusfactory"
        body = (
            '<request xmlns="urn:ietf:params:xml:ns:cccp" C3PVersion="1" '
            f'to="{factory}" from="{self.aor}" requestId="1"><getConferencingCapabilities/></request>'
        )
        return self.sip.service(C3P_TYPE, body.encode(), to=factory)

    # --- presence

    def publishes(
        self,
        availability: int | None = None,
        *,
        note: str | None = None,
        container: int | None = None,
        machine: int | None = None,
        lasts_s: int | None = None,
    ) -> Exchange:
        """Publish a status, as a client does with all that belongs to it, or a note, or both.

        Args:
            availability: The number that the user chose.
            note: "" takes it away.
            container: Where the note is seen; None: wherever clients put it.
            machine: What the device says of itself; None: the same.
            lasts_s: Seconds after which the note ends by itself.
        """
        wanted: list[tuple[Key, str, str]] = []
        if availability is not None:
            wanted += self.status(availability, availability if machine is None else machine)
        if note is not None:
            for one in NOTE_CONTAINERS if container is None else (container,):
                wanted.append((("note", 0, one), "static" if lasts_s is None else "time", note_body(note)))
        return self.publishes_raw(*wanted, lasts_s=lasts_s)

    def publishes_raw(self, *wanted: tuple[Key, str, str], lasts_s: int | None = None) -> Exchange:
        """Publish (key, expire type, XML) with the versions that are known; no XML takes away."""
        rows = []
        for key, expire, value in wanted:
            expires = lasts_s if value else 0
            extra = "" if expires is None else f' expires="{expires}"'
            rows.append(publication(*key, value, expire, self.own.versions.get(key, 0), extra))
        exchange = self.sip.service(PUBLISH_TYPE, publish_body(self.aor, *rows))
        if not exchange.is_pending:
            answer = exchange.answer
            if answer.status == 200:
                self.own.take(tree(answer.body))
            elif answer.status == 409:
                self.own.take_fault(answer.body, [key for key, _, _ in wanted])
        return exchange

    def status(self, availability: int, machine: int) -> list[tuple[Key, str, str]]:
        """Give what a client publishes with a status: its device, what it says of itself, and what the person chose."""
        number = int(self.sip.epid[:8], 16)
        instance = number >> 4 | 0x30000000
        mine = state("machineState", machine)
        chosen = state("userState", availability, manual=True)
        device = f'<device xmlns="http://schemas.microsoft.com/2006/09/sip/device" endpointId="{self.sip.instance}"/>'
        return [
            (("device", number, 2), "endpoint", device),
            *((("state", instance, container), "endpoint", mine) for container in (2, 3)),
            *((("state", USER_INSTANCE, container), "static", chosen) for container in (2, 3)),
        ]

    def allows(self, other: "Actor", container: int) -> Exchange:
        """Let somebody belong to a container, and to no other."""
        address = other.aor.removeprefix("sip:")
        wishes = {
            id_: f'<member action="remove" type="user" value="{address}"/>'
            for id_, (_, members) in self.own.containers.items()
            if address in members and id_ != container
        }
        wishes[container] = f'<member action="add" type="user" value="{address}"/>'
        return self.sets_members(wishes)

    def blocks(self, other: "Actor") -> Exchange:
        """Let somebody see and reach nothing."""
        return self.allows(other, 32000)

    def sets_members(self, wishes: Mapping[int, str]) -> Exchange:
        """Change members of containers, with the versions that are known."""
        rows = "".join(
            f'<container id="{id_}" version="{self.own.containers.get(id_, (0, frozenset()))[0]}">{members}</container>'
            for id_, members in wishes.items()
        )
        body = (
            '<setContainerMembers xmlns="http://schemas.microsoft.com/2006/09/sip/container-management">'
            f"{rows}</setContainerMembers>"
        )
        return self.sip.service(MEMBERS_TYPE, body.encode())

    def answers_for(self, other: "Actor | str") -> Exchange:
        """Say that the user knows of a watcher, whatever he made of it."""
        address = (other if isinstance(other, str) else other.aor).removeprefix("sip:")
        body = (
            '<setSubscribers xmlns="http://schemas.microsoft.com/2006/09/sip/presence-subscribers">'
            f'<subscriber user="{address}" acknowledged="true"/></setSubscribers>'
        )
        return self.sip.service(SUBSCRIBER_TYPE, body.encode())

    def names_delegate(self, other: "Actor") -> Exchange:
        """Let somebody act for the user, with the version that is known."""
        body = (
            '<setDelegates xmlns="http://schemas.microsoft.com/2007/09/sip/delegate-management"'
            f' version="{self.own.delegates[0]}"><setDelegate uri="{other.aor}" action="add"/></setDelegates>'
        )
        return self.sip.service(DELEGATES_TYPE, body.encode())

    def watches(self, *others: "Actor | str") -> Exchange:
        """Watch people, beside those who are watched already; what is seen comes with the answer."""
        uris = [other if isinstance(other, str) else other.aor for other in others]
        fields = [("Require", "adhoclist, categoryList"), ("Supported", "eventlist")]
        exchange = self.sip.subscribe(PRESENCE, batch_body(self.aor, uris), BATCH_TYPE, fields=fields)
        self.passes(0.1)
        return exchange

    def hears(self, other: "Actor | str") -> Seen:
        """Give how somebody looks now."""
        self.passes(0.1)
        return self.others.about(other if isinstance(other, str) else other.aor)

    # --- contacts

    def changes_contacts(self, operation: str, *fields: tuple[str, str]) -> Exchange:
        """Change the contact list by a SOAP request."""
        inner = "".join(f"<m:{name}>{value}</m:{name}>" for name, value in fields)
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip"><s:Body>'
            f"<m:{operation}>{inner}<m:deltaNum>{self.contacts.number}</m:deltaNum></m:{operation}></s:Body></s:Envelope>"
        )
        return self.sip.service(SOAP_TYPE, body.encode())

    def adds(self, other: str, *groups: int, name: str = "") -> Exchange:
        """Add a contact, or change its name and groups."""
        ids = " ".join(map(str, groups or (1,)))
        fields = (("displayName", name), ("groups", ids), ("subscribed", "true"), ("URI", other), ("externalURI", ""))
        return self.changes_contacts("setContact", *fields)

    def removes(self, other: str) -> Exchange:
        """Remove a contact."""
        return self.changes_contacts("deleteContact", ("URI", other))

    def adds_group(self, name: str) -> Exchange:
        """Add a group."""
        return self.changes_contacts("addGroup", ("name", name), ("externalURI", ""))

    def searches(self, name: str) -> Exchange:
        """Search people by display name; it is the domain that is asked."""
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip"><s:Body>'
            '<m:directorySearch><m:filter m:href="#searchArray"/><m:maxResults>100</m:maxResults></m:directorySearch>'
            f'<m:Array xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip" m:id="searchArray">'
            f'<m:row m:attrib="displayName" m:value="{name}"/></m:Array></s:Body></s:Envelope>'
        )
        return self.sip.service(SOAP_TYPE, body.encode(), to=f"sip:{self.domain}")

    # --- conversations

    def invites(self, other: "Actor | str", first: str | None = None, *, branch: bool = False) -> Talk:
        """Invite somebody to talk; `first` is said with the invitation."""
        peer = other if isinstance(other, str) else other.aor
        talk = Talk(self.sip, peer, invitation(self.sip, peer, first, "909353124"))
        talk.exchange = self.sip.begin(talk.invite, branch=branch, on_answer=talk.answered)
        self.talks.append(talk)
        self.passes(0)
        return talk

    def talks_to(self, other: "Actor") -> tuple[Talk, Talk]:
        """Invite somebody who answers; give both sides of the conversation."""
        talk = self.invites(other)
        if not talk.is_answered:
            raise AssertionError(f"{other.aor} does not answer")
        return talk, other.talks[-1]

    def pages(self, other: "Actor | str", text: str, content_type: str = PLAIN) -> Exchange:
        """Send a message without a conversation."""
        peer = other if isinstance(other, str) else other.aor
        return self.sip.ask(self.sip.request("MESSAGE", peer, [("Content-Type", content_type)], text.encode()))

    # --- conferences

    def seat(self, focus: str, **how: Any) -> Seat:  # Any: the fields of Seat
        """Give a place in a conference that nobody has taken yet."""
        self.seats.append(Seat(self.sip, focus, **how))
        return self.seats[-1]

    def joins(self, focus: str, **how: Any) -> Seat:  # Any: as above
        """Join a conference, all of it; the caller looks at what became of it."""
        seat = self.seat(focus, **how)
        seat.joins()
        return seat

    def meets(self, **how: Any) -> Seat:  # Any: see new_conference
        """Create a conference and join it."""
        return self.joins(new_conference(self.sip, **how))

    def is_silent(self) -> None:
        """React to no invitation from now on."""
        self.manner = SILENT

    def lets_it_ring(self) -> None:
        """Let the caller hear it ring, and wait for `Talk.accepts` or `declines`."""
        self.manner = RINGING

    def is_slow(self, seconds: float = 10.0) -> None:
        """Accept late, without a word before, and deaf to CANCEL."""
        self.manner = Manner(after_s=seconds)

    def declines(self, status: int = 603) -> None:
        """Refuse invitations."""
        self.manner = Manner(status=status)

    # --- what the server sends

    def _invited(self, request: Request) -> Response | None:
        if request.content_type == INVITE_TYPE:
            return self._asked_to_join(request)
        talk = Talk(self.sip, aor_of(request.from_.uri), request)
        self.talks.append(talk)
        talk.received(self.manner, self._later)
        return None

    def _asked_to_join(self, request: Request) -> Response | None:
        if self.manner.status == 200:
            # A real client accepts at once and joins, without a question.
            focus = focus_of(request)
            self._later(0, lambda: self.joins(focus))
        if not self.manner.status:
            return None
        fields = [("Record-Route", value) for value in request.headers.get_all("Record-Route")]
        return response_to(request, self.manner.status, headers=[*fields, ("Contact", f"<{self.sip.gruu}>")])

    def _cancelled(self, request: Request) -> Response | None:
        talk = next((one for one in self.talks if one.invite.call_id == request.call_id), None)
        if talk is None:
            return response_to(request, 481)
        if self.manner.after_s:
            talk.is_cancelled = True
        else:
            talk.cancelled(request)
        return None

    def _told(self, request: Request) -> Response | None:
        if self.ignores_messages:
            return None
        seat = self._seat_of(request)
        if seat is not None:
            return seat.hears(request)
        text = Text(_user_of(request), request.headers.get("Content-Type") or "", request.body)
        self.texts.append(text)
        talk = self._talk_of(request)
        if talk is not None:
            talk.texts.append(text)
        return response_to(request, 200, headers=[("Contact", f"<{self.sip.gruu}>")])

    def _informed(self, request: Request) -> Response | None:
        seat = self._seat_of(request)
        if seat is not None:
            return seat.hears(request)
        talk = self._talk_of(request)
        if talk is not None and b'status="type"' in request.body:
            talk.typing += 1
        return response_to(request, 200)

    def _left(self, request: Request) -> Response | None:
        seat = self._seat_of(request)
        if seat is not None:
            return seat.hears(request)
        talk = self._talk_of(request)
        if talk is not None:
            talk.is_over = True
            talk.ended_by = request
        return response_to(request, 200)

    def _reported_to(self, request: Request) -> Response | None:
        seat = self._seat_of(request)
        return None if seat is None else seat.hears(request)

    def _talk_of(self, request: Request) -> Talk | None:
        name = (request.call_id, request.to.tag or "", request.from_.tag or "")
        return next((one for one in self.talks if one.dialog is not None and one.dialog.key == name), None)

    def _seat_of(self, request: Request) -> Seat | None:
        return next((seat for seat in self.seats if seat.is_mine(request)), None)

    def _document(self, event: str, content_type: str, body: bytes) -> None:
        if event == CONTACTS:
            self.contacts.take(tree(body))
        elif event == SELF:
            self.own.take(tree(body))
        elif event == "conference":
            self._roster(body)
        elif event == PROVISIONING:
            self.provisions.update({group.get("name"): group for group in tree(body).findall("provisionGroup")})
        elif event == PRESENCE:
            for one in self._views(content_type, body):
                self.others.take(one)

    def _roster(self, body: bytes) -> None:
        for seat in self.seats:
            if seat.is_watching and seat.focus == tree(body).get("entity"):
                seat.takes(body)

    def _views(self, content_type: str, body: bytes) -> Sequence[Any]:  # Any: lxml's trees
        if not content_type.startswith("multipart/"):
            return [tree(body)]
        parts = read_multipart(body, content_type, max_parts=2_000)
        return [tree(part.body) for part in parts if part.content_type == "application/msrtc-event-categories+xml"]


def note_body(text: str) -> str:
    """Write a note; "" stays empty and takes it away."""
    return note(text) if text else ""


def _user_of(request: Request) -> str:
    return request.from_.uri.removeprefix("sip:").partition("@")[0]
