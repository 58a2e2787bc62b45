"""Calls as Lync's clients make them: reliable provisional answers, early dialogs, and all that happens in them.

A `Caller` and each `Callee` keep their own dialogs by the rules of RFC 3261, RFC 3262 and RFC
3311 (`lyncpy.sip.dialog`), and insist on them: a request of a dialog that a phone does not have
gets 481 from it.
"""

from collections.abc import Sequence
from typing import Final

from lyncpy.sip.dialog import Dialog, DialogState
from lyncpy.sip.message import Request, Response, new_tag, response_to
from tests.kit.actors import Actor
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage

OFFER: Final = (
    b"v=0\r\no=- 0 0 IN IP4 10.0.0.1\r\ns=session\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 50000 RTP/SAVP 0\r\n"
)
SDP: Final = ("Content-Type", "application/sdp")
IN_DIALOG: Final = ("PRACK", "UPDATE", "INFO", "BYE", "INVITE", "REFER", "NOTIFY", "MESSAGE", "OPTIONS")


class Phone:
    """What caller and callee have in common.

    Attributes:
        dialogs: By the other side's tag.
        heard: Requests that came in one of its dialogs, in order; of others, `strays`.
        acks: The ACKs that came.
    """

    def __init__(self, actor: Actor) -> None:
        """Take the device; what it did with requests so far, it does no more."""
        self.actor = actor
        self.dialogs: dict[str, Dialog] = {}
        self.heard: list[Request] = []
        self.strays: list[Request] = []
        self.acks: list[Request] = []
        for method in IN_DIALOG:
            actor.sip.answers[method] = self._asked
        actor.sip.answers["ACK"] = self._acknowledged

    @property
    def contact(self) -> tuple[str, str]:
        """Give its Contact header."""
        return "Contact", f"<{self.actor.sip.gruu}>"

    @property
    def methods(self) -> list[str]:
        """Give what was asked of it within its dialogs."""
        return [one.method for one in self.heard]

    def sends(
        self, method: str, fields: Sequence[tuple[str, str]] = (), body: bytes = b"", *, tag: str = ""
    ) -> Exchange:
        """Send a request in the dialog with this tag at the other end, else in the only one."""
        dialog = self.dialogs[tag] if tag else next(iter(self.dialogs.values()))
        fields = [self.contact, *fields, *([SDP] if body else [])]
        exchange = self.actor.sip.ask(dialog.next_request(method, fields, body))
        if method == "INVITE" and exchange.finals and exchange.status == 200:
            self.actor.sip.ask(dialog.ack(exchange.request))
        return exchange

    def _asked(self, request: Request) -> Response | None:
        dialog = self.dialogs.get(request.from_.tag or "")
        if dialog is None or (request.call_id, request.to.tag) != (dialog.call_id, dialog.local_tag):
            self.strays.append(request)
            return response_to(request, 481)
        dialog.receive(request)
        self.heard.append(request)
        if request.method == "BYE":
            del self.dialogs[request.from_.tag or ""]
            self._ended(request)
        routes = [("Record-Route", route) for route in request.headers.get_all("Record-Route")]
        fields = [self.contact, *routes, *([SDP] if request.body else [])]
        return response_to(request, 200, headers=fields, body=OFFER if request.body else b"")

    def _acknowledged(self, request: Request) -> None:
        self.acks.append(request)

    def _ended(self, request: Request) -> None:
        """A BYE has ended one of its dialogs."""


class Callee(Phone):
    """Rings, and does what the test says."""

    def __init__(self, actor: Actor, tag: str = "") -> None:
        """Take the device and the tag that it will use."""
        super().__init__(actor)
        self.tag = tag or new_tag()
        self.invite: Request | None = None
        self.cancels = 0
        self.is_deaf = False
        """It hears no CANCEL."""

        actor.sip.answers["INVITE"] = self._invited
        actor.sip.answers["CANCEL"] = self._cancelled

    def says(self, status: int, fields: Sequence[tuple[str, str]] = (), *, body: bytes = b"") -> None:
        """Answer the INVITE, reliably where that is said."""
        if self.invite is None:
            raise AssertionError("nobody calls")
        if 100 < status < 300:
            known = self.dialogs.get(self.invite.from_.tag or "")
            if known is None:
                state = DialogState.EARLY if status < 200 else DialogState.CONFIRMED
                self.dialogs[self.invite.from_.tag or ""] = Dialog.from_request(self.invite, self.tag, state=state)
        routes = [("Record-Route", route) for route in self.invite.headers.get_all("Record-Route")]
        own = [self.contact] if status < 300 else []
        fields = [*routes, *own, *fields, *([SDP] if body else [])]
        self.actor.sip.reply(response_to(self.invite, status, to_tag=self.tag, headers=fields, body=body))
        self.actor.passes(0)

    def says_reliably(self, status: int, number: int = 1) -> None:
        """Answer provisionally, and want PRACK for it (RFC 3262)."""
        self.says(status, [("Require", "100rel"), ("RSeq", str(number))], body=OFFER)

    def _invited(self, request: Request) -> Response | None:
        if request.to.tag:
            return self._asked(request)
        self.invite = request
        return None

    def _cancelled(self, request: Request) -> Response | None:
        self.cancels += 1
        if self.is_deaf or self.invite is None:
            return None
        self.actor.sip.reply(response_to(request, 200))
        self.dialogs.clear()
        return response_to(self.invite, 487, to_tag=self.tag)

    def _ended(self, request: Request) -> None:
        if self.invite is not None and request.from_.tag == self.invite.from_.tag and not self.acks:
            self.actor.sip.reply(response_to(self.invite, 487, to_tag=self.tag))


class Caller(Phone):
    """Calls, and does at each answer what RFC 3262 wants."""

    def __init__(self, actor: Actor, *, acknowledges_early: bool = True) -> None:
        """Take the device; without `acknowledges_early`, the test sends PRACK itself."""
        super().__init__(actor)
        self.exchange: Exchange | None = None
        self._acknowledges_early = acknowledges_early
        self._seen = 0

    def calls(self, other: Actor | str, more: Sequence[tuple[str, str]] = ()) -> Exchange:
        """Send the INVITE of an audio call, perhaps with more fields than usual."""
        fields = [self.contact, ("Supported", "100rel, ms-early-media, replaces, timer"), SDP]
        self._seen = 0
        to = other if isinstance(other, str) else other.aor
        request = self.actor.sip.request("INVITE", to, fields, OFFER).edited(put=more)
        self.exchange = self.actor.sip.begin(request, on_answer=self._answered)
        self.actor.passes(0)
        return self.exchange

    def looks(self) -> list[Exchange]:
        """Read the provisional answers that are new; give its PRACKs."""
        if self.exchange is None:
            raise AssertionError("nobody is called")
        new = self.exchange.provisional[self._seen :]
        self._seen += len(new)
        asked = []
        for response in new:
            tag = response.to.tag
            if not tag:
                continue
            self.dialogs.setdefault(tag, Dialog.from_response(self.exchange.request, response))
            if "RSeq" in response.headers and self._acknowledges_early:
                asked.append(self.acknowledges(response))
        return asked

    def acknowledges(self, response: Response) -> Exchange:
        """Send PRACK for a reliable provisional answer."""
        number = f"{response.headers.get('RSeq')} {response.cseq}"
        return self.sends("PRACK", [("RAck", number)], tag=response.to.tag or "")

    def cancels(self) -> Exchange:
        """Send CANCEL."""
        if self.exchange is None:
            raise AssertionError("nobody is called")
        invite = self.exchange.request
        headers = invite.headers.edited(
            drop=["Content-Type", "Contact", "Supported", "User-Agent"],
            put=[("CSeq", f"{invite.cseq.number} CANCEL")],
        )
        exchange = self.actor.sip.send(Exchange(Request("CANCEL", invite.uri, headers)))
        self.actor.passes(0)
        return exchange

    def _answered(self, response: Response) -> None:
        if self.exchange is None:
            raise AssertionError("nobody is called")
        if response.status >= 300:
            self.dialogs.clear()
            return
        tag = response.to.tag or ""
        early = self.dialogs.get(tag)
        # Spec: RFC 3261 §13.2.2.4: the others end; the route set is that of the 2xx.
        dialog = Dialog.from_response(self.exchange.request, response)
        if early is not None:
            dialog.local_seq = early.local_seq
        self.dialogs = {tag: dialog}
        self.actor.sip.begin(dialog.ack(self.exchange.request))


def ringing(stage: Stage, *, devices: int = 1) -> tuple[Caller, list[Callee]]:
    """Have Alice call Bob, each of whose devices has said 183 reliably."""
    (alice,) = stage.sign_in("alice")
    bobs = stage.sign_in(*["bob"] * devices)
    caller, callees = Caller(alice), [Callee(bob) for bob in bobs]
    caller.calls(bobs[0])
    for number, callee in enumerate(callees):
        callee.says_reliably(183, number + 1)
    assert [one.status for one in caller.looks()] == [200] * devices
    return caller, callees
