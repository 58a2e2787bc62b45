"""A call on its way, with legs that do what the test says: what gateways will need, and no device does."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, FlowName, Instance
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.core.forward import ForkResult
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Request, Response, response_to
from lyncpy.workloads.voice.call_run import CallRun, Way
from lyncpy.workloads.voice.model.call_rules import DEVICES, CallPlan, Stage, Target, TargetKind
from lyncpy.workloads.voice.model.call_walk import begin
from tests.kit.results import started

ALICE = Aor("sip:alice@example.com")
CAROL = Target(TargetKind.PERSON, "sip:carol@example.com")
MOBILE = Target(TargetKind.NUMBER, "tel:+15550199")
DEVICE = Endpoint(ALICE, Epid("e"), Instance("i"), "", "sip:x", FlowName("n/1"), "", 0.0, 9e9, "")


class ToldLeg:
    """A leg."""

    def __init__(self, invite: Request) -> None:
        """Take what it rings for."""
        self._invite = invite
        self._answer: Deferred[ForkResult] = Deferred()
        self.given_up: list[str | None] = []
        self.hung_up = 0

    async def run(self) -> ForkResult:
        """Wait for the test."""
        return await self._answer

    def says(self, status: int, *fields: tuple[str, str], made_here: bool = False) -> None:
        """Answer."""
        response = response_to(self._invite, status, headers=fields)
        self._answer.callback(ForkResult(response, None if made_here else DEVICE))

    def give_up(self, reason: str | None = None) -> None:
        """Note it, and be over."""
        self.given_up.append(reason)
        self.says(487)

    def hang_up(self) -> None:
        """Note it."""
        self.hung_up += 1


class Play:
    """One call."""

    def __init__(self, *stages: Stage, escape_s: float = 0.0, **plan: Any) -> None:
        """Let it ring; Any: the fields of CallPlan."""
        self.clock = Clock()
        headers = Headers(
            [("From", f"<{ALICE}>;tag=1"), ("To", "<sip:bob@example.com>"), ("Call-ID", "x"), ("CSeq", "1 INVITE")]
        )
        invite = Request("INVITE", "sip:bob@example.com", headers)
        self.provisional: list[Response] = []
        self.arrival = Arrival(
            invite, FlowName("n/2"), "", 0.0, Identity(ALICE, Epid("a"), "NTLM"), self.provisional.append
        )
        self.legs: dict[Target, ToldLeg] = {}
        self.ways: list[Way] = []
        self.waiting: dict[Target, Deferred[None]] = {}
        self.refused: dict[Target, Refused] = {}
        self.results: list[ForkResult] = []
        timers = Timers(self.clock, lambda: 0.0)
        moved = begin(CallPlan(stages, **plan), 0.0, escape_s=escape_s)
        self._run = CallRun(self.arrival, timers, self._leg, lambda target: target, moved)

    def begins(self) -> "Play":
        """Begin."""
        work: Deferred[Any] = started(self._run.run())
        _ = work.addCallback(self.results.append)
        return self

    async def _leg(self, way: Way) -> ToldLeg:
        self.ways.append(way)
        if way.target in self.waiting:
            await self.waiting[way.target]
        if way.target in self.refused:
            raise self.refused[way.target]
        self.legs[way.target] = ToldLeg(self.arrival.request)
        return self.legs[way.target]

    @property
    def answer(self) -> tuple[int, int]:
        """Give the status of the one answer, and the number of its diagnostics."""
        (result,) = self.results
        diagnostics = result.response.headers.get("ms-diagnostics") or "0"
        return result.response.status, int(diagnostics.partition(";")[0])


TO_MOBILE = (Stage((DEVICES,), 10), Stage((MOBILE,), 20, is_diversion=True))


def test_a_carriers_mail_box_is_hung_up() -> None:
    """It answers too soon to be a person; the call goes on without it."""
    play = Play(Stage((DEVICES, MOBILE), 10), escape_s=1.5).begins()
    play.clock.advance(1)
    play.legs[MOBILE].says(200)
    assert (play.legs[MOBILE].hung_up, play.results) == (1, [])
    play.legs[DEVICES].says(200)
    assert play.answer == (200, 0)


def test_what_a_telephones_network_says_is_hidden() -> None:
    """That the call went to one is the user's affair; what keeps it from being called at all is told."""
    play = Play(*TO_MOBILE).begins()
    play.clock.advance(10)
    play.legs[MOBILE].says(404, ("ms-diagnostics", "10404;reason=Gateway"))
    assert play.answer == (404, 13008)
    play = Play(*TO_MOBILE)
    play.refused[MOBILE] = Refused(403, Diagnostics(12004, "no gateway"))
    play.begins().clock.advance(10)
    assert play.answer == (480, 12004)


def test_who_is_given_up_before_they_can_be_rung_does_not_ring() -> None:
    """Whose devices are looked for in a slow store, and somebody else has taken the call meanwhile."""
    play = Play(Stage((DEVICES, CAROL), 10))
    play.waiting[CAROL] = Deferred()
    play.begins()
    assert [one.status for one in play.provisional] == [101]
    play.legs[DEVICES].says(200)
    play.waiting[CAROL].callback(None)
    assert play.answer == (200, 0)
    assert CAROL in play.legs
    assert play.legs[CAROL].given_up == []


def test_a_caller_who_gave_up_before_anything_rang() -> None:
    """Nobody rings."""
    play = Play(Stage((DEVICES,), 10))
    play.arrival.cancel()
    play.begins()
    assert (play.answer, play.legs) == ((487, 0), {})


def test_a_caller_gives_up_while_it_rings() -> None:
    """Who rings is told once; that nothing comes behind it is seen as time passes."""
    play = Play(*TO_MOBILE).begins()
    play.arrival.cancel()
    assert (play.answer, play.legs[DEVICES].given_up) == ((487, 0), [None])
    play.clock.advance(60)
    assert list(play.legs) == [DEVICES]


@pytest.mark.parametrize(
    ("contact", "status"), [((), 303), ((("Contact", "<sip:"),), 303), ((("Contact", "<sip:example.com>"),), 303)]
)
def test_a_diversion_to_nobody_is_a_refusal(contact: Sequence[tuple[str, str]], status: int) -> None:
    """Without a Contact, and with one that cannot be called."""
    play = Play(Stage((DEVICES,), 10), may_divert=True).begins()
    play.legs[DEVICES].says(303, *contact)
    assert play.answer == (status, 0)


def test_a_way_has_all_who_have_diverted() -> None:
    """Bob to Carol, Carol to the telephone, each by an answer."""
    play = Play(Stage((DEVICES,), 10), may_divert=True).begins()
    play.legs[DEVICES].says(303, ("Contact", f"<{CAROL.address}>"))
    play.legs[CAROL].says(303, ("Contact", "<tel:+1-555-0199>"))
    assert play.ways[-1] == Way(MOBILE, (DEVICES, CAROL), "deflection")


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        (lambda leg: None, "no-answer"),
        (lambda leg: leg.says(486), "user-busy"),
        (lambda leg: leg.says(603), "no-answer"),
        (lambda leg: leg.says(480, made_here=True), "unavailable"),
    ],
)
def test_why_a_call_is_diverted(ends: Callable[[ToldLeg], None], why: str) -> None:
    """In the words of RFC 5806."""
    play = Play(*TO_MOBILE).begins()
    ends(play.legs[DEVICES])
    play.clock.advance(10)
    assert play.ways[-1].diversion == why


def test_the_users_own_word_is_the_callers_answer() -> None:
    """Where nobody's says much: the decline of their devices, not that of a colleague's."""
    play = Play(Stage((DEVICES, CAROL), 10)).begins()
    play.legs[DEVICES].says(603)
    play.legs[CAROL].says(480)
    assert play.answer == (603, 0)
    play = Play(Stage((DEVICES, CAROL), 10)).begins()
    play.legs[CAROL].says(603)
    play.legs[DEVICES].says(480, made_here=True)
    assert play.answer == (480, 13002)
