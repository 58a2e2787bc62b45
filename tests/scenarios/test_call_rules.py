"""Calls follow the rules of who is called: three people, one of whom calls another, who wants a third to ring."""

from dataclasses import dataclass

import pytest

from lyncpy.sip.message import Response
from tests.kit.actors import Actor
from tests.kit.call_rules import has_rules, named, rules, waits
from tests.kit.phones import OFFER, Callee, Caller
from tests.kit.sip_client import Exchange
from tests.kit.stage import DOMAIN, Stage

CAROL = f"sip:carol@{DOMAIN}"
FORWARD = named("forwardto", CAROL)
TEAM = named("team", CAROL, f"sip:dave@{DOMAIN}")
DELEGATES = named("delegates", CAROL)


@dataclass
class Office:
    """Alice calls Bob; Carol may ring too."""

    stage: Stage
    alice: Actor
    bob: Actor
    carol: Actor

    def __post_init__(self) -> None:
        """Put a telephone on each desk."""
        self.caller, self.desk, self.other = Caller(self.alice), Callee(self.bob), Callee(self.carol)

    def wants(self, flags: str, lists: str = "", **seconds: int) -> None:
        """Have Bob publish rules for colleagues."""
        has_rules(self.bob, rules(flags, lists, waits=waits(**seconds)))

    def calls(self, *fields: tuple[str, str], to: Actor | str = "") -> Exchange:
        """Have Alice call Bob, or whom else she is to call."""
        return self.caller.calls(to or self.bob, fields)

    @property
    def rung(self) -> tuple[bool, bool]:
        """Whether Bob's telephone has rung, and Carol's."""
        return self.desk.invite is not None, self.other.invite is not None

    def answers(self, exchange: Exchange, callee: Callee) -> None:
        """Have somebody take the call; it lives and ends as calls do."""
        callee.says(180)
        callee.says(200, body=OFFER)
        assert exchange.status == 200
        assert self.caller.sends("INFO").status == 200
        assert callee.sends("UPDATE", body=OFFER).status == 200
        assert callee.sends("BYE").status == 200
        callee.dialogs.clear()
        assert self.caller.strays == callee.strays == []
        assert self.stage.tables()["sessions"] == 0


def told(exchange: Exchange) -> list[int]:
    """Give what the caller was told of the call's way: the numbers of progress reports, and 181."""
    return [
        one.status if one.status != 101 else number(one) for one in exchange.provisional if one.status in (101, 181)
    ]


def number(response: Response) -> int:
    """Give the number of the diagnostics."""
    return int((response.headers.get("ms-diagnostics") or "0").partition(";")[0])


def history(callee: Callee) -> str | None:
    """Give what a telephone is told of where the call has been."""
    assert callee.invite is not None
    return callee.invite.headers.get("History-Info")


@pytest.fixture
def office(stage: Stage) -> Office:
    """All three are signed in."""
    return Office(stage, *stage.sign_in("alice", "bob", "carol"))


def test_without_rules_the_users_devices_ring(office: Office) -> None:
    """All of them, for as long as a call may ring, and nobody else; the caller is told that they do."""
    exchange = office.calls()
    assert (office.rung, told(exchange)) == ((True, False), [13004])
    report = next(one for one in exchange.provisional if one.status == 101)
    assert report.phrase == "Progress Report"
    assert 'source="' in (report.headers.get("ms-diagnostics") or "")
    office.desk.says(180)
    office.stage.passes(100)
    assert exchange.is_pending
    office.answers(exchange, office.desk)


def test_a_call_is_forwarded_at_once(office: Office) -> None:
    """Bob's own telephone stays silent, and whoever takes the call is in it: in the record, too."""
    office.wants("forward_immediate enablecf", FORWARD)
    exchange = office.calls()
    assert office.rung == (False, True)
    assert told(exchange) == [13006, 181, 13005]
    reason = f"<{office.bob.aor}>;index=1;ms-retarget-reason=forwarding, <{CAROL}>;index=1.1"
    assert history(office.other) == reason
    assert office.other.invite is not None
    assert office.other.invite.headers.get("Diversion") == f"<{office.bob.aor}>;reason=unconditional"
    assert office.other.invite.headers.get("To") == f"<{office.bob.aor}>"
    told_so = next(one for one in exchange.provisional if one.status == 181)
    assert told_so.headers.get("History-Info") == reason
    office.answers(exchange, office.other)
    assert (exchange.finals[-1].headers.get("P-Asserted-Identity") or "").startswith(f'"Carol" <{CAROL}>')
    record = office.stage.sessions("carol")[-1]
    assert (record.user1, record.user2, record.ended_by, record.end_reason) == (office.alice.aor, CAROL, "user2", "bye")
    (called,) = office.stage.sessions("bob")
    assert (called.response_code, called.end_reason, called.call_id) == (181, "forwarded", record.call_id)


def test_a_call_is_forwarded_when_nobody_answers(office: Office) -> None:
    """After the time that Bob wants; his telephone rings no more then."""
    office.wants("enablecf", FORWARD, total=15)
    exchange = office.calls()
    office.desk.says(180)
    office.stage.passes(14)
    assert office.rung == (True, False)
    office.stage.passes(2)
    assert (office.rung, office.desk.cancels) == ((True, True), 1)
    assert office.other.invite is not None
    assert office.other.invite.headers.get("Diversion") == f"<{office.bob.aor}>;reason=no-answer"
    office.answers(exchange, office.other)


def test_a_busy_user_is_forwarded_without_waiting(office: Office) -> None:
    """So is one who declines: that is of one place alone."""
    office.wants("enablecf", FORWARD, total=15)
    exchange = office.calls()
    office.desk.says(486)
    assert office.other.invite is not None
    assert office.other.invite.headers.get("Diversion") == f"<{office.bob.aor}>;reason=user-busy"
    office.other.says(603)
    assert exchange.status == 486


def test_a_user_who_is_not_there_is_forwarded(office: Office) -> None:
    """Nobody waits for telephones that are not signed in; nor is the caller told that they ring."""
    office.wants("enablecf", FORWARD, total=15)
    office.bob.signs_out()
    exchange = office.calls()
    assert office.rung == (False, True)
    assert told(exchange) == [13006, 181, 13005]
    office.answers(exchange, office.other)


def test_two_ring_at_once(office: Office) -> None:
    """Simultaneous ring: the first who answers has the call, and the other is told that somebody has."""
    office.wants("simultaneous_ring", named("simultaneous_ring", CAROL, f"sip:dave@{DOMAIN}"))
    exchange = office.calls()
    assert (office.rung, told(exchange)) == ((True, True), [13004, 13005])
    assert history(office.other) == f"<{office.bob.aor}>;index=1, <{CAROL}>;index=1.1"
    office.desk.says(180)
    office.answers(exchange, office.other)
    assert office.desk.cancels == 1
    cancel = next(one for one in office.bob.sip.heard if one.method == "CANCEL")
    assert "Call completed elsewhere" in (cancel.headers.get("Reason") or "")


def test_both_answer_in_the_same_moment(office: Office) -> None:
    """The second is sent away: it hears ACK and BYE, and the call is the first one's."""
    office.wants("simultaneous_ring", named("simultaneous_ring", CAROL))
    exchange = office.calls()
    office.desk.is_deaf = True
    office.other.says(200, body=OFFER)
    office.desk.says(200, body=OFFER)
    assert exchange.status == 200
    assert (len(office.desk.acks), office.desk.methods) == (1, ["BYE"])
    assert office.caller.sends("BYE").status == 200
    assert office.other.methods == ["BYE"]


def test_the_team_rings_after_a_while(office: Office) -> None:
    """Bob's telephone goes on; when nobody answers, nobody rings any more and the caller is told."""
    office.wants("team_ring", TEAM, user=5, team2=8)
    exchange = office.calls()
    office.desk.says(180)
    assert office.rung == (True, False)
    office.stage.passes(6)
    office.other.says(180)
    assert (office.rung, office.desk.cancels) == ((True, True), 0)
    assert told(exchange) == [13004, 181, 13005]
    assert history(office.other) == f"<{office.bob.aor}>;index=1;ms-retarget-reason=team-call, <{CAROL}>;index=1.1"
    office.stage.passes(8)
    assert (office.desk.cancels, office.other.cancels) == (1, 1)
    assert (exchange.status, number(exchange.finals[-1])) == (480, 13002)
    assert office.stage.tables()["sessions"] == 0


def test_a_call_of_the_team_is_for_the_user(office: Office) -> None:
    """The others of the team do not ring."""
    office.wants("team_ring", named("team", office.alice.aor, CAROL), user=5)
    exchange = office.calls()
    office.stage.passes(15)
    assert office.rung == (True, False)
    office.answers(exchange, office.desk)


@pytest.mark.parametrize("skips", [False, True])
def test_delegates_ring(office: Office, skips: bool) -> None:
    """At once with the user, or in their place."""
    office.wants("delegate_ring skip_primary" if skips else "delegate_ring", DELEGATES, user=0)
    exchange = office.calls()
    office.stage.passes(0.1)
    assert office.rung == (not skips, True)
    assert history(office.other) == f"<{office.bob.aor}>;index=1;ms-retarget-reason=delegation, <{CAROL}>;index=1.1"
    office.answers(exchange, office.other)


def test_a_delegate_calls_on_behalf(office: Office) -> None:
    """Who is none may not; who is called learns in whose name it is."""
    behalf = ("P-Session-On-Behalf-Of", f"<{CAROL}>")
    refused = office.calls(behalf)
    assert (refused.status, number(refused.finals[-1])) == (403, 4004)
    assert office.rung == (False, False)
    office.carol.names_delegate(office.alice)
    exchange = office.calls(behalf)
    assert office.desk.invite is not None
    assert office.desk.invite.headers.get("P-Session-On-Behalf-Of") == f"<{CAROL}>"
    assert (office.desk.invite.headers.get("P-Asserted-Identity") or "").startswith(f'"Alice" <{office.alice.aor}>')
    office.answers(exchange, office.desk)


def test_who_is_not_to_be_disturbed_does_not_ring(office: Office) -> None:
    """The team does; whom the user lets through reaches them."""
    office.wants("team_ring", TEAM, user=5)
    office.bob.publishes(availability=9500)
    exchange = office.calls()
    assert office.rung == (False, True)
    office.answers(exchange, office.other)
    has_rules(office.bob, rules("", named("breakthrough", office.alice.aor)), instance=1)
    office.other.invite = None
    exchange = office.calls()
    assert office.rung == (True, False)
    office.answers(exchange, office.desk)


def test_a_colleague_of_the_team_is_not_disturbed_either(office: Office) -> None:
    """Nor rings who has blocked the caller."""
    office.wants("forward_immediate enablecf", FORWARD)
    office.carol.publishes(availability=9500)
    assert office.calls().status == 480
    office.carol.publishes(availability=3500)
    office.carol.blocks(office.alice)
    assert office.calls().status == 480
    assert office.rung == (False, False)


def test_who_blocks_calls_is_not_rung(office: Office) -> None:
    """Whatever else the rules say; and a blocked caller hears what they would hear of somebody offline."""
    office.wants("block enablecf", FORWARD)
    exchange = office.calls()
    assert (office.rung, exchange.status) == ((False, False), 480)
    office.wants("forward_immediate enablecf", FORWARD)
    office.bob.blocks(office.alice)
    blocked = office.calls()
    gone = office.calls(to=f"sip:dave@{DOMAIN}")
    assert (office.rung, blocked.status, gone.status) == ((False, False), 480, 480)
    assert blocked.finals[-1].headers.get("ms-diagnostics") == gone.finals[-1].headers.get("ms-diagnostics")
    assert [one.status for one in blocked.provisional] == [one.status for one in gone.provisional]


@pytest.mark.parametrize("status", [600, 605])
def test_decline_everywhere_ends_the_call(office: Office, status: int) -> None:
    """Nobody else rings, and the caller hears it."""
    office.wants(
        "simultaneous_ring enablecf", named("simultaneous_ring", CAROL) + named("forwardto", f"sip:dave@{DOMAIN}")
    )
    exchange = office.calls()
    office.other.says(180)
    office.desk.says(status)
    assert (exchange.status, office.other.cancels) == (status, 1)


def test_a_device_diverts_the_call(office: Office) -> None:
    """303: the user presses "forward" while it rings; their other devices ring no more."""
    (mobile,) = office.stage.sign_in("bob")
    second = Callee(mobile)
    exchange = office.calls()
    second.says(180)
    office.desk.says(303, [("Contact", f"<{CAROL}>")])
    assert (second.cancels, office.rung) == (1, (True, True))
    assert office.other.invite is not None
    assert office.other.invite.headers.get("Diversion") == f"<{office.bob.aor}>;reason=deflection"
    assert told(exchange) == [13004, 13006, 181, 13005]
    office.answers(exchange, office.other)


def test_a_call_does_not_go_round(office: Office) -> None:
    """Carol is asked to take it, and gives it back: it ends where it has been."""
    office.wants("forward_immediate enablecf", FORWARD)
    exchange = office.calls()
    office.other.says(303, [("Contact", f"<{office.bob.aor}>")])
    assert exchange.status == 480
    assert office.rung == (False, True)
    has_rules(office.bob, rules("forward_immediate enablecf", named("forwardto", office.bob.aor)))
    looped = office.calls()
    assert (looped.status, number(looped.finals[-1])) == (480, 13000)


@pytest.mark.parametrize("name", ["Diversion", "CC-Diversion", "History-Info"])
def test_a_call_that_has_been_there_is_not_sent_there_again(office: Office, name: str) -> None:
    """Whichever server has diverted it; what the caller says of it is not passed on."""
    office.wants("enablecf", FORWARD, total=15)
    been = (
        f"<{CAROL}>;index=1, <{office.bob.aor}>;index=1.1" if name == "History-Info" else f"<{CAROL}>;reason=no-answer"
    )
    exchange = office.calls((name, been))
    assert office.desk.invite is not None
    assert CAROL not in "".join(office.desk.invite.headers.lines)
    office.stage.passes(16)
    assert (office.rung, exchange.status) == ((True, False), 480)
    spoiled = office.calls((name, "<sip:"))
    assert (spoiled.status, number(spoiled.finals[-1])) == (400, 13003)


def test_a_call_that_was_passed_on_too_often_is_not_forwarded(office: Office) -> None:
    """Max-Forwards ends what goes round servers that write no history."""
    office.wants("forward_immediate enablecf", FORWARD)
    assert office.calls(("Max-Forwards", "0")).status == 483
    assert office.rung == (False, False)


@pytest.mark.parametrize(
    ("sensitivity", "rung", "forwarded"),
    [
        ("private", (True, False), True),
        ("private-no-diversion", (True, False), False),
        ("normal-no-diversion", (True, True), False),
    ],
)
def test_how_discreet_a_call_is(office: Office, sensitivity: str, rung: tuple[bool, bool], forwarded: bool) -> None:
    """A private call rings no team, and one without diversion is not forwarded."""
    office.wants(
        "team_ring enablecf", named("team", CAROL) + named("forwardto", f"sip:dave@{DOMAIN}"), user=5, team2=5, total=5
    )
    (dave,) = office.stage.sign_in("dave")
    last = Callee(dave)
    exchange = office.calls(("Ms-Sensitivity", sensitivity))
    office.stage.passes(6)
    assert office.rung == rung
    office.stage.passes(20)
    assert (last.invite is not None) == forwarded
    assert exchange.is_pending == forwarded or exchange.status == 480
    assert office.calls(("Ms-Sensitivity", "secret")).status == 400


def test_a_number_in_the_rules_that_is_a_colleagues_rings_them(office: Office) -> None:
    """It is looked up, unless the rules say that the telephone is meant; that would need a gateway, which there is not."""
    office.stage.changes("carol", line="tel:+14255550102")
    office.stage.pulls()
    office.wants("forward_immediate enablecf", named("forwardto", "tel:+14255550102"))
    exchange = office.calls()
    assert office.rung == (False, True)
    office.answers(exchange, office.other)
    office.other.invite = None
    for target in (f"sip:+14255550102;ms-skip-rnl=true@{DOMAIN};user=phone", "tel:+14255550177"):
        office.wants("forward_immediate enablecf", named("forwardto", target))
        refused = office.calls()
        assert (office.rung, refused.status) == ((False, False), 480)
        assert number(refused.finals[-1]) in (4005, 12004)


def test_a_private_line_rings_nobody_else(office: Office) -> None:
    """And the device is told that it is the private line."""
    office.stage.changes("bob", line="tel:+14255550101", private_line="tel:+14255550199")
    office.stage.pulls()
    office.wants("forward_immediate enablecf", FORWARD)
    exchange = office.calls(to="tel:+14255550199")
    assert office.rung == (True, False)
    assert history(office.desk) == "<tel:+14255550199>;index=1;ms-line-type=private"
    office.answers(exchange, office.desk)


def test_a_caller_gives_up_while_others_ring(office: Office) -> None:
    """Everybody is told, and nobody rings afterwards."""
    office.wants(
        "simultaneous_ring enablecf", named("simultaneous_ring", CAROL) + named("forwardto", f"sip:dave@{DOMAIN}")
    )
    exchange = office.calls()
    office.desk.says(180)
    office.other.says(180)
    assert office.caller.cancels().status == 200
    assert exchange.status == 487
    assert (office.desk.cancels, office.other.cancels) == (1, 1)
    office.stage.passes(60)
    assert office.stage.tables()["sessions"] == 0


def test_who_has_taken_a_call_goes_on_when_the_server_has_forgotten_it(office: Office) -> None:
    """Carol's telephone knows itself as Bob's in this call, and may go on to say so; in no other may it."""
    office.wants("forward_immediate enablecf", FORWARD)
    office.calls()
    office.other.says(200, body=OFFER)
    office.stage.kill()
    office.stage.start()
    for actor in (office.alice, office.carol):
        actor.signs_in()
    assert office.other.sends("INFO").status == 200
    assert office.caller.sends("INFO").status == 200
    dialog = next(iter(office.other.dialogs.values()))
    forged = dialog.next_request("INFO", [office.other.contact])
    for put in (
        [("Call-ID", "another")],
        [("Route", (forged.headers.get("Route") or "").replace("ms-called=", "ms-called=0"))],
    ):
        assert office.carol.sip.ask(forged.edited(put=put)).status == 403
    assert office.other.sends("BYE").status == 200


def test_what_a_voice_policy_does_not_allow_does_not_count() -> None:
    """As if the user had not chosen it."""
    forbidden = {"call_forwarding": False, "simultaneous_ring": False, "team_call": False, "delegation": False}
    with Stage.opened(voice={"policies": {"default": forbidden}}) as stage:
        office = Office(stage, *stage.sign_in("alice", "bob", "carol"))
        for flags in ("forward_immediate enablecf", "simultaneous_ring", "team_ring", "delegate_ring skip_primary"):
            lists = FORWARD + TEAM + DELEGATES + named("simultaneous_ring", CAROL)
            office.wants(flags, lists, user=0)
            exchange = office.calls()
            office.stage.passes(1)
            assert office.rung == (True, False)
            office.answers(exchange, office.desk)


def test_rules_for_the_work_hours_end_with_them(office: Office) -> None:
    """By the hours that the user's client has published."""
    hours = (
        '<calendarData xmlns="http://schemas.microsoft.com/2006/09/sip/calendarData" mailboxID="bob@example.com">'
        '<WorkingHours xmlns="http://schemas.microsoft.com/exchange/services/2006/types"><TimeZone><Bias>0</Bias></TimeZone>'
        "<WorkingPeriodArray><WorkingPeriod><DayOfWeek>{days}</DayOfWeek><StartTimeInMinutes>0</StartTimeInMinutes>"
        "<EndTimeInMinutes>1440</EndTimeInMinutes></WorkingPeriod></WorkingPeriodArray></WorkingHours></calendarData>"
    )
    office.wants("work_hours forward_immediate enablecf", FORWARD)
    week = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
    for days, rung in (("", (True, False)), (week, (False, True))):
        office.desk.invite = office.other.invite = None
        office.bob.publishes_raw((("calendarData", 0, 300), "static", hours.format(days=days)))
        exchange = office.calls()
        assert office.rung == rung
        office.answers(exchange, office.desk if rung[0] else office.other)
