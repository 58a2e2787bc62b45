"""One script, played to somebody who is blocked and to somebody whose friend signs out: they receive the same, byte for byte."""

import re
from collections.abc import Callable

import pytest

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReader, HttpReaderKind
from lyncpy.contracts.names import aor_of
from lyncpy.sip.message import Request, Response
from tests.kit.actors import BATCH_TYPE, PRESENCE, SELF, SOAP_TYPE, Actor
from tests.kit.phones import OFFER, Callee, Caller, ringing
from tests.kit.presence import batch_body
from tests.kit.renames import hires, removes, removes_key
from tests.kit.results import started
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage

ALICE = "sip:alice@example.com"
NAMES = ("services", "state", "contactCard", "note", "noteHistory", "workingHours", "calendarData", "device", "x")
KEPT = (
    (
        ("workingHours", 0, 200),
        "static",
        '<workingHours xmlns="http://schemas.microsoft.com/2006/09/sip/workinghours"/>',
    ),
    (("note", 7, 300), "static", '<note xmlns="http://schemas.microsoft.com/2006/09/sip/note"/>'),
    (("calendarData", 1, 200), "time", '<calendarData xmlns="http://schemas.microsoft.com/2006/09/sip/calendarData"/>'),
)

_FRESH = (
    (r";tag=[^;>,\s]+|;branch=[^;>,\s]+|;epid=[^;>,\s]+", ""),
    (r"(?im)^(Call-ID|Via|CSeq|Authentication-Info|Proxy-Authentication-Info|Expires|Subscription-State):.*$", r"\1"),
    (r"[0-9a-f]{16,}", "-"),
    (r":id:[\w-]+|\{[0-9A-F-]{36}\}", "-"),
    # Subscriptions are granted for varied times.
    (r"expires=\d+", "expires"),
)


def plain(message: Request | Response) -> str:
    """Give all of a message but what is new in each."""
    first = message.method if isinstance(message, Request) else f"{message.status} {message.phrase}"
    lines = [first, *(f"{name}: {value}" for name, value in message.headers), message.body.decode()]
    text = "\n".join(lines)
    for pattern, by in _FRESH:
        text = re.sub(pattern, by, text)
    return text


class Witness:
    """Mallory's device, and all that it has received."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        (self.actor,) = stage.sign_in("mallory")
        self.seen: list[str] = []
        self.read = len(self.actor.sip.heard)

    def asks(self, exchange: Exchange) -> None:
        """Wait for an answer, and note it with the time that it took."""
        began = float(self.stage.clock.seconds())
        while exchange.is_pending and float(self.stage.clock.seconds()) - began < 60:
            self.stage.passes(0.1)
        self.seen += [plain(one) for one in (*exchange.provisional, *exchange.finals)]
        self.seen.append(f"after {float(self.stage.clock.seconds()) - began:.1f} s")

    def looks(self) -> None:
        """Note what has been sent."""
        self.seen += [plain(one) for one in self.actor.sip.heard[self.read :]]
        self.read = len(self.actor.sip.heard)

    def tries(self) -> None:
        """Go all roads on which something of Alice might be learned."""
        sip, actor = self.actor.sip, self.actor
        kept = dict(sip.subscriptions)
        sip.subscriptions.pop(PRESENCE, None)
        self.asks(sip.subscribe(PRESENCE, batch_body(actor.aor, [ALICE], categories=NAMES), BATCH_TYPE, expires=0))
        for accept in (
            "application/msrtc-event-categories+xml",
            "text/xml+msrtc.pidf",
            "application/pidf+xml",
            "text/xml+msrtc.xpidf",
            "application/xpidf+xml",
        ):
            sip.subscriptions.pop(PRESENCE, None)
            self.asks(sip.subscribe(PRESENCE, to=ALICE, fields=[("Accept", accept)], expires=0))
        sip.subscriptions.clear()
        sip.subscriptions.update(kept)
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip"><s:Body>'
            f'<m:getPresence><m:presentity m:uri="{ALICE}"/></m:getPresence></s:Body></s:Envelope>'
        )
        self.asks(sip.service(SOAP_TYPE, body.encode()))
        self.asks(actor.searches("Alice"))
        for method in ("OPTIONS", "INFO", "REFER", "NOTIFY", "UPDATE"):
            self.asks(sip.ask(sip.request(method, ALICE)))
        self.asks(sip.subscribe(SELF, to=ALICE))
        sip.subscriptions.clear()
        sip.subscriptions.update(kept)
        self.asks(actor.pages(ALICE, "hello?"))
        exchange = actor.invites(ALICE).exchange
        assert exchange is not None
        self.asks(exchange)
        self.looks()
        self.reads_pages()
        self.makes_a_contact()
        self.calls_into_a_meeting()

    def reads_pages(self) -> None:
        """Ask for the icon and the facts over HTTP, as one who is signed in and as a portal of theirs."""
        me = aor_of(self.actor.aor)
        (resource,) = self.stage.unit("presence").offer.resources
        for what in ("svg", "json"):
            for reader in (HttpReader(HttpReaderKind.SIGNED_IN, me), HttpReader(HttpReaderKind.NAMED, me, "x")):
                asked = HttpAsked("GET", "x", f"/presence/alice@example.com.{what}", {}, reader=reader)
                answers: list[HttpAnswer] = []
                _ = started(resource.answer(asked)).addCallback(answers.append)
                self.stage.passes(0.1)
                self.seen += [repr(one) for one in answers]
                assert [one.status for one in answers] == [200]

    def makes_a_contact(self) -> None:
        """Take Alice on the contact list and off it; the own devices are told."""
        self.asks(self.actor.adds(ALICE))
        self.asks(self.actor.removes(ALICE))
        self.looks()

    def calls_into_a_meeting(self) -> None:
        """Have the focus call Alice in."""
        seat = self.actor.meets()
        self.asks(seat.calls_in(ALICE))
        self.stage.passes(5)
        self.asks(seat.invites(ALICE))
        self.looks()
        seat.ends()
        self.stage.passes(1)
        self.looks()


def played(act: Callable[[Actor, Actor], object], later: Callable[[Stage, Actor], object], by: str) -> list[str]:
    """Play the script; Alice does `act` in its middle, and what she does after that may not be seen."""
    with Stage.opened(presence={"web_readers": ("anonymous", "signed-in", "named")}) as stage:
        witness = Witness(stage)
        (alice,) = stage.sign_in("alice")
        alice.publishes(6500, note="left")
        alice.publishes_raw(*KEPT, lasts_s=3600)
        if by:
            alice.allows(witness.actor, int(by))
        witness.actor.watches(ALICE)
        talk, _ = witness.actor.talks_to(alice)
        stage.passes(100)
        witness.looks()
        with alice.in_one_breath():
            act(alice, witness.actor)
        stage.passes(2)
        witness.looks()
        for one in ("MESSAGE", "INFO", "INVITE", "REFER", "BYE"):
            witness.asks(talk.sends(one, [("Content-Type", "text/plain")]))
        witness.tries()
        later(stage, alice)
        stage.changes("alice", display_name="Alice the New")
        stage.pulls()
        stage.passes(2)
        witness.looks()
        witness.tries()
        stage.passes(3600)
        witness.looks()
        witness.tries()
        return witness.seen


def signs_out(alice: Actor, _: Actor) -> None:
    """Sign out."""
    alice.signs_out()


def blocks(alice: Actor, other: Actor) -> None:
    """Block."""
    alice.blocks(other)


def goes_on(_: Stage, alice: Actor) -> None:
    """Do all that shows that somebody is there."""
    alice.publishes(3500, note="secret")
    alice.publishes(9500, note="")
    alice.publishes_raw(*((key, expire, "") for key, expire, _ in KEPT))


def nothing(_: Stage, __: Actor) -> None:
    """Be away."""


@pytest.mark.parametrize("by", ["", "100", "300", "400"])
def test_nothing_that_is_received_tells_blocked_from_signed_out(by: str) -> None:
    """On any road, from any level, while Alice goes on working, gets a new name, and an hour passes."""
    blocked, gone = played(blocks, goes_on, by), played(signs_out, nothing, by)
    for one, other in zip(blocked, gone, strict=True):
        assert one == other
    assert not any("secret" in one for one in blocked)
    assert by == "100" or any("left" in one for one in blocked)


# --- what is under way at that moment


def _hangs_up(alice: Actor, other: Actor) -> None:
    del other
    alice.signs_out()


def _waited(act: Callable[[Actor, Actor], object], devices: int, kind: str) -> list[str]:
    """Have Mallory wait for Alice's devices; give what she receives from the moment of `act` on."""
    with Stage.opened() as stage:
        witness = Witness(stage)
        alices = stage.sign_in(*["alice"] * devices)
        sip = witness.actor.sip
        callees = [Callee(one) for one in alices] if kind in ("rings", "silent") else []
        for one in alices:
            one.ignores_messages = True
            one.sip.answers["OPTIONS"] = lambda _: None
        stage.passes(1)
        witness.looks()
        if callees:
            exchange = Caller(witness.actor).calls(alices[0])
            for number, callee in enumerate(callees if kind == "rings" else ()):
                callee.says_reliably(183, number + 1)
        else:
            exchange = sip.begin(sip.request(kind, ALICE, [("Content-Type", "text/plain")], b"hello"))
        stage.passes(3)
        assert exchange.is_pending
        with alices[0].in_one_breath():
            act(alices[0], witness.actor)
        if act is _hangs_up:
            for one in alices[1:]:
                one.signs_out()
        stage.passes(2)
        assert not exchange.is_pending
        witness.looks()
        witness.seen += [plain(one) for one in (*exchange.provisional, *exchange.finals)]
        if act is blocks:
            assert [one.cancels for one in callees] == [1] * len(callees)
        stage.passes(300)
        witness.looks()
        return witness.seen


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("kind", ["rings", "silent", "MESSAGE", "OPTIONS"])
def test_what_somebody_waits_for_ends_with_a_block_as_with_a_sign_out(kind: str, devices: int) -> None:
    """A call that rings, with early media or without, and whatever else Alice's devices have not answered."""
    assert _waited(blocks, devices, kind) == _waited(_hangs_up, devices, kind)


def test_a_device_that_rang_hears_that_the_caller_gave_up(stage: Stage) -> None:
    """No word of the block; one that accepts all the same is sent away."""
    caller, (desk, phone) = ringing(stage, devices=2)
    phone.is_deaf = True
    desk.actor.blocks(caller.actor)
    assert caller.exchange is not None
    assert caller.exchange.status == 430
    assert (desk.cancels, phone.cancels) == (1, 1)
    cancels = [one for one in desk.actor.sip.heard if one.method == "CANCEL"]
    assert [one.headers.get("Reason") for one in cancels] == [None]
    phone.says(200, body=OFFER)
    assert (len(phone.acks), phone.methods[-1]) == (1, "BYE")
    assert stage.tables()["sessions"] == 0


def test_a_call_of_who_blocks_rings_on(stage: Stage) -> None:
    """They have begun it: it is answered, and lasts when they block somebody else."""
    caller, (callee,) = ringing(stage)
    caller.actor.blocks(callee.actor)
    assert callee.cancels == 0
    callee.says(200, body=OFFER)
    assert caller.exchange is not None
    assert caller.exchange.status == 200
    (carol,) = stage.sign_in("carol")
    caller.actor.blocks(carol)
    assert callee.sends("INFO").status == 200
    assert caller.sends("INFO").status == 200


# --- somebody who is removed from the directory, and comes back


def _comes_back(act: Callable[[Actor, Actor], object]) -> list[str]:
    """Remove Mallory, whose address somebody else gets, and restore them; give what they see of Alice then, and an hour later."""
    with Stage.opened(directory={"removal_share": 1.0}) as stage:
        witness = Witness(stage)
        (alice,) = stage.sign_in("alice")
        alice.publishes(6500, note="left")
        alice.publishes_raw(*KEPT, lasts_s=3600)
        alice.allows(witness.actor, 300)
        stage.passes(100)
        act(alice, witness.actor)
        stage.passes(10)
        [entry] = [one for one in stage.directory.people if one.key == "key-mallory"]
        removes(stage, "mallory")
        hires(stage, "mallory")
        stage.pulls()
        stage.passes(10)
        if act is blocks:
            alice.publishes(3500, note="secret")
            alice.sets_members({300: ""})
        removes_key(stage, "another")
        stage.directory.people.append(entry)
        stage.pulls()
        stage.passes(10)
        seen = []
        for _ in range(2):
            (back,) = stage.sign_in("mallory")
            body = batch_body(back.aor, [ALICE], categories=NAMES)
            back.sip.subscriptions.pop(PRESENCE, None)
            exchange = back.sip.subscribe(PRESENCE, body, BATCH_TYPE, expires=0)
            stage.passes(1)
            seen += [plain(one) for one in exchange.finals]
            stage.passes(3600)
        return seen


def test_who_comes_back_to_the_directory_sees_what_was_left_for_them() -> None:
    """As after a sign-out: they were away meanwhile, and nothing of the user has become another."""
    blocked, gone = _comes_back(blocks), _comes_back(signs_out)
    assert blocked == gone
    assert "left" in blocked[0]
