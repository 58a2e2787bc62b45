"""People who write to each other, with clients that resolve crossing invitations each in its own way.

`Loose` does what pidgin-sipe 1.25 was seen to do: it has one dialog with each peer, whatever
that dialog's Call-ID and tags; an invitation of the peer replaces it, at once or late; the
answer to an invitation that it has given up changes the dialog that took its place. It shows
whatever message comes. `Strict` keeps its dialogs by the book, as Lync's clients are thought to,
and resolves a crossing by one of several rules.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from lyncpy.sip.dialog import Dialog
from lyncpy.sip.headers import parse_name_addr
from lyncpy.sip.message import Headers, Request, Response, new_tag, response_to
from tests.kit.actors import Actor
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage
from tests.kit.talks import PLAIN, session_description

TEXT_IN_INVITE: Final = "ms-text-format"


class Texter:
    """Someone who writes to one other person.

    Attributes:
        said: What they wrote, in order.
        shown: What their client has shown them of the other.
        reported: What their client said was not delivered.
    """

    def __init__(self, actor: Actor, peer: str, later: Callable[[float, Callable[[], None]], object]) -> None:
        """Take the device, and whom they write to."""
        self.actor = actor
        self.sip = actor.sip
        self.peer = peer
        self.later = later
        self.said: list[str] = []
        self.shown: list[str] = []
        self.reported: list[str] = []
        self.queue: list[str] = []
        for method, answer in (
            ("INVITE", self.invited),
            ("CANCEL", self.cancelled),
            ("MESSAGE", self.told),
            ("BYE", self.left),
        ):
            self.sip.answers[method] = answer

    def says(self, text: str) -> None:
        """Write something."""
        self.said.append(text)
        self.queue.append(text)
        self.writes()

    def writes(self) -> None:
        """Send what waits, as this client does."""
        raise NotImplementedError

    def invited(self, request: Request) -> Response | None:
        """React to an INVITE."""
        raise NotImplementedError

    def cancelled(self, request: Request) -> Response | None:
        """React to a CANCEL."""
        raise NotImplementedError

    def told(self, request: Request) -> Response | None:
        """React to a MESSAGE."""
        raise NotImplementedError

    def left(self, request: Request) -> Response | None:
        """React to a BYE."""
        raise NotImplementedError

    def invitation(self, text: str) -> Request:
        """Write an INVITE with the first text in it."""
        encoded = base64.b64encode(text.encode()).decode()
        fields = [
            ("Contact", f"<{self.sip.gruu}>"),
            (TEXT_IN_INVITE, f"{PLAIN};ms-body={encoded}"),
            ("Content-Type", "application/sdp"),
        ]
        return self.sip.request("INVITE", self.peer, fields, session_description(self.sip))

    def acceptance(self, invite: Request, tag: str, *supported: str) -> Response:
        """Write the 200."""
        fields = [("Record-Route", value) for value in invite.headers.get_all("Record-Route")]
        fields += [("Contact", f"<{self.sip.gruu}>"), *(("Supported", one) for one in supported)]
        body = session_description(self.sip)
        return response_to(invite, 200, to_tag=tag, headers=fields, content_type="application/sdp", body=body)


@dataclass(eq=False)
class _Chat:
    """The dialog of a `Loose` client, as it keeps it: what it was told last."""

    call_id: str
    ours: str
    theirs: str = ""
    target: str = ""
    routes: list[str] = field(default_factory=list)
    number: int = 0
    is_pending: bool = False


class Loose(Texter):
    """A client like pidgin-sipe; `delay_s` is 10 with a second device of its user, else 0."""

    def __init__(
        self, actor: Actor, peer: str, later: Callable[[float, Callable[[], None]], object], delay_s: float = 0.0
    ) -> None:
        """Begin with no dialog."""
        super().__init__(actor, peer, later)
        self.delay_s = delay_s
        self.chat: _Chat | None = None
        # The real client has no tag in here, and forgets one of two that have the same number.
        self.unconfirmed: dict[tuple[str, int, str], str] = {}
        self._release: Callable[[], None] = lambda: None

    def writes(self) -> None:
        """Invite where there is no dialog; wait where there is one without an answer."""
        if self.chat is None:
            invite = self.invitation(self.queue[0])
            self.chat = _Chat(invite.call_id, invite.from_.tag or "", target=self.peer, number=1, is_pending=True)
            self.sip.begin(invite, branch=False, on_answer=self._answered)
        elif not self.chat.is_pending:
            self._release()
            self._send_queue(self.chat)

    def _send_queue(self, chat: _Chat) -> None:
        queue, self.queue = self.queue, []
        for text in queue:
            fields = [("Contact", f"<{self.sip.gruu}>"), ("Content-Type", PLAIN)]
            request = self._in(chat, "MESSAGE", fields, text.encode())
            self.unconfirmed[request.call_id, request.cseq.number, chat.ours] = text
            self.sip.begin(request, branch=False, on_answer=self._confirmed)

    def _in(self, chat: _Chat, method: str, fields: list[tuple[str, str]], body: bytes = b"") -> Request:
        chat.number += 1
        headers = [
            ("From", f"<{self.sip.aor}>;tag={chat.ours};epid={self.sip.epid}"),
            ("To", f"<{self.peer}>" + (f";tag={chat.theirs}" if chat.theirs else "")),
            ("Max-Forwards", "70"),
            ("CSeq", f"{chat.number} {method}"),
            ("Call-ID", chat.call_id),
            *(("Route", route) for route in chat.routes),
            *fields,
        ]
        return Request(method, chat.target, Headers(headers), body)

    def _answered(self, response: Response) -> None:
        """Take the answer to an INVITE, into whichever dialog there is now."""
        chat = self.chat
        if chat is None:
            return
        chat.ours, chat.theirs = response.from_.tag or "", response.to.tag or ""
        if response.status != 200:
            self.reported += self.queue
            self.queue = []
            self.chat = None
            return
        contact = response.headers.get("Contact")
        chat.target = parse_name_addr(contact).uri if contact else self.peer
        chat.routes = list(reversed(response.headers.get_all("Record-Route")))
        chat.number = 0
        chat.is_pending = False
        self.sip.begin(self._in(chat, "ACK", []), branch=False)
        if TEXT_IN_INVITE in response.headers.get_all("Supported") and self.queue:
            self.queue.pop(0)
        self._send_queue(chat)

    def _confirmed(self, response: Response) -> None:
        text = self.unconfirmed.pop((response.call_id, response.cseq.number, response.from_.tag or ""), None)
        if response.status < 400:
            if self.chat is not None and not self.chat.is_pending:
                self._send_queue(self.chat)
            return
        if text is not None:
            self.reported.append(text)
        if response.status in (408, 480, 481) and self.chat is not None:
            self._drop(self.chat)
            self.reported += [*self.unconfirmed.values()]
            self.unconfirmed.clear()

    def _drop(self, chat: _Chat) -> None:
        self.sip.begin(self._in(chat, "BYE", []), branch=False)
        self.chat = None

    def invited(self, request: Request) -> Response | None:
        """Give up what there is in favour of what comes."""
        if self.chat is not None:
            self._drop(self.chat)
            self.queue = [*self.unconfirmed.values(), *self.queue]
            self.unconfirmed.clear()
        contact = request.headers.get("Contact")
        self.chat = _Chat(
            request.call_id,
            new_tag()[:10],
            request.from_.tag or "",
            parse_name_addr(contact).uri if contact else self.peer,
            list(request.headers.get_all("Record-Route")),
        )
        answer = self.acceptance(request, self.chat.ours)
        if not self.delay_s:
            return answer

        def release() -> None:
            self._release = lambda: None
            self.sip.reply(answer)

        self._release = release
        self.later(self.delay_s, lambda: self._release() if self._release is release else None)
        return None

    def cancelled(self, request: Request) -> Response | None:
        """Be deaf, as pidgin-sipe is once it has accepted, or is about to."""
        return None

    def told(self, request: Request) -> Response | None:
        """Show it, whatever dialog it is of."""
        self.shown.append(request.body.decode())
        return response_to(request, 200)

    def left(self, request: Request) -> Response | None:
        """Say yes; it ends the dialog that has exactly its Call-ID and tags."""
        chat = self.chat
        lost = [key for key in self.unconfirmed if key[0] == request.call_id]
        self.reported += [self.unconfirmed.pop(key) for key in lost]
        if chat is not None and (request.call_id, request.to.tag, request.from_.tag) == (
            chat.call_id,
            chat.ours,
            chat.theirs or None,
        ):
            self.chat = None
        return response_to(request, 200)


class Strict(Texter):
    """A client that keeps its dialogs by the book.

    `rule` says what becomes of an invitation that crosses its own: "cancel" gives up its own by
    CANCEL, 486 or 488 refuses the other's, "both" accepts it beside its own.
    """

    def __init__(
        self, actor: Actor, peer: str, later: Callable[[float, Callable[[], None]], object], rule: str = "cancel"
    ) -> None:
        """Begin with no dialog."""
        super().__init__(actor, peer, later)
        self.rule = rule
        self.dialogs: list[Dialog] = []
        self.offered: Exchange | None = None
        self.is_given_up = False
        self.sip.answers["ACK"] = self._acknowledged

    def writes(self) -> None:
        """Write in the newest dialog; invite where there is none."""
        if self.dialogs:
            self._send_queue()
        elif self.offered is None and self.queue:
            self.is_given_up = False
            self.offered = self.sip.begin(self.invitation(self.queue[0]), on_answer=self._answered)

    def _send_queue(self) -> None:
        queue, self.queue = self.queue, []
        for text in queue:
            request = self.dialogs[-1].next_request("MESSAGE", [("Content-Type", PLAIN)], text.encode())
            self.sip.begin(request, on_answer=partial(self._confirmed, text))

    def _confirmed(self, text: str, response: Response) -> None:
        if response.status >= 300:
            self.reported.append(text)
        if response.status == 481:
            self.dialogs = [one for one in self.dialogs if one.call_id != response.call_id]

    def _answered(self, response: Response) -> None:
        offered, self.offered = self.offered, None
        if offered is None:
            raise AssertionError("an answer to nothing")
        if response.status != 200:
            if not self.is_given_up and self.queue:
                self.reported += self.queue
                self.queue = []
            if self.dialogs:
                self._send_queue()
            return
        dialog = Dialog.from_response(offered.request, response)
        self.sip.begin(dialog.ack(offered.request))
        if self.is_given_up:
            self.sip.begin(dialog.next_request("BYE"))
            return
        self.dialogs.append(dialog)
        if TEXT_IN_INVITE in response.headers.get_all("Supported") and self.queue:
            self.queue.pop(0)
        self._send_queue()

    def invited(self, request: Request) -> Response | None:
        """Resolve a crossing by the rule; accept anything else, and show the text that comes with it."""
        if self.offered is not None:
            if self.rule.isdecimal():
                return response_to(request, int(self.rule))
            if self.rule == "cancel" and not self.is_given_up:
                self.is_given_up = True
                self._cancel(self.offered.request)
        tag = new_tag()
        self.dialogs.append(Dialog.from_request(request, tag))
        _, _, text = (request.headers.get(TEXT_IN_INVITE) or "").partition("ms-body=")
        if text:
            self.shown.append(base64.b64decode(text).decode())
        return self.acceptance(request, tag, TEXT_IN_INVITE)

    def _cancel(self, invite: Request) -> None:
        headers = invite.headers.edited(
            drop=["Content-Type", "Contact", TEXT_IN_INVITE, "User-Agent"],
            put=[("CSeq", f"{invite.cseq.number} CANCEL")],
        )
        self.sip.send(Exchange(Request("CANCEL", invite.uri, headers)))

    def _acknowledged(self, request: Request) -> None:
        if self.dialogs and self.offered is None:
            self._send_queue()

    def cancelled(self, request: Request) -> Response | None:
        """It is too late: it accepts at once."""
        return response_to(request, 200)

    def told(self, request: Request) -> Response | None:
        """Show what is of one of its dialogs."""
        if self._of(request) is None:
            return response_to(request, 481)
        self.shown.append(request.body.decode())
        return response_to(request, 200)

    def left(self, request: Request) -> Response | None:
        """End one of its dialogs."""
        dialog = self._of(request)
        if dialog is None:
            return response_to(request, 481)
        self.dialogs.remove(dialog)
        return response_to(request, 200)

    def _of(self, request: Request) -> Dialog | None:
        name = request.call_id, request.to.tag or "", request.from_.tag or ""
        return next((one for one in self.dialogs if one.key == name), None)


LATENCY_S: Final = 0.05
"""What each byte takes from one end to the other while two people write."""


def write(stage: Stage, kinds: "tuple[Kind, Kind]", words: Sequence[tuple[int, float]]) -> tuple[Texter, Texter]:
    """Have Alice and Bob sign in with clients of these kinds, and write to each other.

    Args:
        words: Who says something (0 is Alice), and after how many latencies the next word comes.
    """
    both = kinds[0](stage, "alice", "bob"), kinds[1](stage, "bob", "alice")
    stage.network.latency_s = LATENCY_S
    for count, (who, latencies) in enumerate(words):
        both[who].says(f"{'ab'[who]}{count}")
        stage.passes(latencies * LATENCY_S)
    stage.passes(40)
    return both


def fates(one: Texter, other: Texter) -> dict[str, str]:
    """Say of each text what became of it; "lost" is neither shown nor told to be undelivered."""
    found = {}
    for writer, reader in ((one, other), (other, one)):
        shown, reported = set(reader.shown), set(writer.reported)
        for text in writer.said:
            found[text] = "shown" if text in shown else "reported" if text in reported else "lost"
    return found


Kind = Callable[[Stage, str, str], Texter]
"""Signs a user in, to write to another."""


def loose(delay_s: float = 0.0) -> Kind:
    """Give the kind of client that is like pidgin-sipe."""

    def make(stage: Stage, user: str, peer: str) -> Texter:
        return Loose(_signed_in(stage, user), f"sip:{peer}@example.com", stage.network.clock.callLater, delay_s)

    return make


def strict(rule: str) -> Kind:
    """Give the kind of client that keeps its dialogs by the book."""

    def make(stage: Stage, user: str, peer: str) -> Texter:
        return Strict(_signed_in(stage, user), f"sip:{peer}@example.com", stage.network.clock.callLater, rule)

    return make


def _signed_in(stage: Stage, user: str) -> Actor:
    actor = stage.actor(user)
    actor.signs_in()
    return actor
