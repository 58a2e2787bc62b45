"""Dialogs (RFC 3261 §12): tags, route set, order of CSeq, target refresh.

A dialog is made from the request and the response that established it, on either side.
It builds the requests that go out in it and checks those that come in. Not here: sending,
Via, Contact and Record-Route, which belong to whoever sends.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from lyncpy.sip.enums import IdentityEnum
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.headers import first_of_list, parse_name_addr, split_list
from lyncpy.sip.interned import interned
from lyncpy.sip.layout import layout_of
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.sip.uri import parse_uri

_CSEQ: Final = layout_of(("cseq",))
MAX_FORWARDS: Final = "70"
TARGET_REFRESH: Final = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY"})
"""Methods whose Contact becomes the new remote target (RFC 3261 §12.2, RFC 6665 §4.4.1)."""


class DialogState(IdentityEnum):
    """The life of a dialog."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class DialogEvent(IdentityEnum):
    """What may happen to a dialog."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx to the INVITE"
    LOST = "481 or 408 in the dialog"
    ENDED = "BYE, or the subscription ended"


DIALOG: Final[Mapping[DialogState, Mapping[DialogEvent, DialogState]]] = {
    DialogState.EARLY: {
        DialogEvent.PROVISIONAL: DialogState.EARLY,
        DialogEvent.SUCCESS: DialogState.CONFIRMED,
        DialogEvent.FAILURE: DialogState.TERMINATED,
        DialogEvent.LOST: DialogState.TERMINATED,
        DialogEvent.ENDED: DialogState.TERMINATED,
    },
    DialogState.CONFIRMED: {
        DialogEvent.LOST: DialogState.TERMINATED,
        DialogEvent.ENDED: DialogState.TERMINATED,
    },
    DialogState.TERMINATED: {},
}


class Dialog:
    """One dialog as one of its two parties sees it.

    Attributes:
        call_id: Its Call-ID.
        local: Our From or To value, with our tag and every other parameter.
        remote: The peer's, likewise.
        local_tag: Our tag.
        remote_tag: The peer's tag; "" if it has none (an RFC 2543 client).
        target: The peer's Contact URI: where requests go.
        routes: Route values, nearest first.
        local_seq: The CSeq number we used last; 0 before the first.
        remote_seq: The highest CSeq number the peer used; None before the first.
        state: Early, confirmed or terminated.
    """

    __slots__ = (
        "_pattern", "call_id", "local", "local_seq", "local_tag", "remote", "remote_seq", "remote_tag", "routes",
        "state", "target",
    )  # fmt: skip

    def __init__(
        self,
        *,
        call_id: str,
        local: str,
        remote: str,
        target: str,
        routes: tuple[str, ...] = (),
        remote_seq: int | None = None,
        state: DialogState = DialogState.CONFIRMED,
        tags: tuple[str, str] | None = None,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.remote = remote
        # Who has read the ends already knows their tags.
        self.local_tag, self.remote_tag = tags or (parse_name_addr(local).tag or "", parse_name_addr(remote).tag or "")
        self.target = interned(target)  # a device is told of its user's affairs in half a dozen dialogs
        self.routes = routes
        self.local_seq = 0
        self.remote_seq = remote_seq
        self.state = state
        self._pattern: Request | None = None
        """What all requests to the present target share, written and read once."""

    @classmethod
    def from_request(cls, request: Request, local_tag: str, *, state: DialogState = DialogState.CONFIRMED) -> "Dialog":
        """Make the dialog that our response to `request` establishes (the UAS's side).

        Args:
            local_tag: The To tag of our response; ignored when the request already has one.

        Spec: RFC 3261 §12.1.1.
        """
        to, tag = _essential(request, "To"), request.to.tag
        if tag is None:
            to, tag = f"{to};tag={local_tag}", local_tag
        return cls(
            call_id=request.call_id,
            local=to,
            remote=_essential(request, "From"),
            target=_contact(request) or request.from_.uri,
            routes=_record_route(request),
            remote_seq=request.cseq.number,
            state=state,
            tags=(tag, request.from_.tag or ""),
        )

    @classmethod
    def from_response(cls, request: Request, response: Response) -> "Dialog":
        """Make the dialog that a response to our `request` establishes (the UAC's side).

        A 1xx with a To tag makes an early one, a 2xx a confirmed one.

        Raises:
            RemoteProtocolError: The response has no To tag.

        Spec: RFC 3261 §12.1.2.
        """
        if response.to.tag is None:
            raise RemoteProtocolError("a response that makes a dialog needs a To tag")
        dialog = cls(
            call_id=request.call_id,
            local=_essential(request, "From"),
            remote=_essential(response, "To"),
            target=_contact(response) or request.uri,
            routes=_record_route(response)[::-1],
            state=DialogState.EARLY if response.status < 200 else DialogState.CONFIRMED,
            tags=(request.from_.tag or "", response.to.tag),
        )
        dialog.local_seq = request.cseq.number
        return dialog

    @property
    def key(self) -> tuple[str, str, str]:
        """Give the dialog's name at our side: Call-ID, our tag, the peer's tag."""
        return self.call_id, self.local_tag, self.remote_tag

    def next_request(
        self,
        method: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Request:
        """Build the next request in the dialog, its CSeq number one higher; it lacks only its Via.

        Args:
            method: Any but ACK, see `ack`. A BYE ends the dialog.
            headers: Appended as they are: Contact, Event …

        Raises:
            LocalProtocolError: The dialog has ended.

        Spec: RFC 3261 §12.2.1.1.
        """
        if self.state is DialogState.TERMINATED:
            raise LocalProtocolError(f"a {method} cannot be sent in a dialog that has ended")
        if content_type is not None:
            headers = (*headers, ("Content-Type", content_type))
        request = self._build(method, self.take_seq(), headers, body)
        if method == "BYE":
            self._move(DialogEvent.ENDED)
        return request

    def outline(self, method: str, headers: Headers) -> Request:
        """Give a request as `next_request` would build it, with a CSeq number of 0, and use up none."""
        request = self._build(method, 0, headers, b"")
        self._pattern = None  # whoever has an outline builds few others, and there are many dialogs
        return request

    def ack(self, invite: Request) -> Request:
        """Build the ACK for a 2xx to our `invite`, which made this dialog or was sent in it.

        Spec: RFC 3261 §13.2.2.4.
        """
        return self._build("ACK", invite.cseq.number, (), b"")

    def take_seq(self) -> int:
        """Use up a CSeq number without a request: a piggybacked notification has one, too."""
        self.local_seq += 1
        return self.local_seq

    def receive(self, request: Request) -> None:
        """Check a request that came in the dialog, and note its CSeq and new target.

        A number equal to the last one passes: real clients repeat it when they have to
        sign a request anew, and real repetitions never get past their transaction.

        Raises:
            RemoteProtocolError: 481, the request is not of this dialog or this has ended;
                500, it is older than one that has already come.

        Spec: RFC 3261 §12.2.2.
        """
        names = (request.call_id, request.to.tag or "", request.from_.tag or "")
        if names != self.key or self.state is DialogState.TERMINATED:
            raise RemoteProtocolError("no such dialog", 481)
        number = request.cseq.number
        if request.method not in ("ACK", "CANCEL"):
            if self.remote_seq is not None and number < self.remote_seq:
                raise RemoteProtocolError("CSeq is out of order", 500)
            self.remote_seq = number
        self._refresh(request)
        if request.method == "BYE":
            self._move(DialogEvent.ENDED)

    def answered(self, response: Response) -> None:
        """Note what a response to a request of ours means for the dialog.

        Spec: RFC 3261 §12.2.1.2.
        """
        if response.status in (408, 481):
            self._move(DialogEvent.LOST)
            return
        if response.cseq.method == "INVITE":
            self._move(_answer_event(response.status))
        if 200 <= response.status < 300:
            self._refresh(response)

    def _build(self, method: str, number: int, headers: Iterable[tuple[str, str]], body: bytes) -> Request:
        if self._pattern is None:
            self._pattern = self._shared()
        more = headers if isinstance(headers, Headers) else Headers(headers)
        last = Headers.of_lines(_CSEQ.followed_by(more.layout), [f"CSeq: {number} {method}", *more.lines])
        return self._pattern.plus(method=method, last=last, body=body)

    def _shared(self) -> Request:
        uri, routes = self._way()
        ends = ("From", self.local), ("To", self.remote), ("Call-ID", self.call_id)
        shared = Request(
            "", uri, Headers((("Max-Forwards", MAX_FORWARDS), *(("Route", route) for route in routes), *ends))
        )
        _ = shared.dialog_text  # whoever signs the requests need not read it again
        return shared

    def _move(self, event: DialogEvent) -> None:
        self.state = DIALOG[self.state].get(event, self.state)

    def _way(self) -> tuple[str, tuple[str, ...]]:
        """Give Request-URI and Route values; a first route without `lr` is a strict router."""
        if self.routes:
            first = parse_name_addr(self.routes[0]).uri
            if parse_uri(first).param("lr") is None:
                return first, (*self.routes[1:], f"<{self.target}>")
        return self.target, self.routes

    def _refresh(self, message: Request | Response) -> None:
        if message.cseq.method in TARGET_REFRESH:
            self.target = _contact(message) or self.target
            self._pattern = None


def _answer_event(status: int) -> DialogEvent:
    if status < 200:
        return DialogEvent.PROVISIONAL
    return DialogEvent.SUCCESS if status < 300 else DialogEvent.FAILURE


def _essential(message: Request | Response, name: str) -> str:
    value = message.headers.get(name)
    if value is None:
        raise RemoteProtocolError(f"{name} is missing")
    return value


def _contact(message: Request | Response) -> str | None:
    """Give the URI of the first Contact; None when there is none."""
    value = message.headers.get("Contact")
    if not value:
        return None
    return _usable(first_of_list(value)[0] if "," in value else value)


def _record_route(message: Request | Response) -> tuple[str, ...]:
    if "record-route" not in message.headers.layout.places:
        return ()
    routes = tuple(route for value in message.headers.get_all("Record-Route") for route in split_list(value))
    for route in routes:
        _usable(route)
    return routes


def _usable(address: str) -> str:
    """Give the URI of an address, having seen that it is one: when it is used, its sender can no longer be told."""
    uri = parse_name_addr(address).uri
    try:
        parse_uri(uri)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(error.reason) from None  # 416 would speak of the Request-URI
    return uri
