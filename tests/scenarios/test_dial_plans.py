"""Dial plans: told to clients, and applied to what people dial."""

from collections.abc import Iterator

import pytest

from lyncpy.contracts.directory import Phone
from lyncpy.workloads.voice.settings import Settings
from tests.kit.hall import tree
from tests.kit.phones import Callee, Caller
from tests.kit.stage import DOMAIN, Stage

PLANS = {
    "default": {"rules": [{"pattern": r"^(\d{4})$", "translation": "+1425555$1", "internal": True}]},
    "Berlin": {
        "members": ["carol@example.com"],
        "rules": [
            {"pattern": r"^0([1-9]\d+)$", "translation": "+49$1"},
            {"pattern": r"^00(\d+)$", "translation": "+$1"},
        ],
    },
}


@pytest.fixture
def office() -> Iterator[Stage]:
    """Bob has a number; Carol dials as in Berlin."""
    with Stage.opened(voice={"dial_plans": PLANS}) as stage:
        stage.changes("bob", line="tel:+14255550101")
        stage.pulls()
        yield stage


@pytest.mark.parametrize(
    ("who", "dialled", "status"),
    [
        ("alice", f"sip:0101@{DOMAIN};user=phone", 180),
        ("alice", f"sip:0101;phone-context=default@{DOMAIN};user=phone", 180),
        ("alice", f"sip:0014255550101;phone-context=berlin@{DOMAIN};user=phone", 180),
        ("carol", f"sip:0014255550101;phone-context=user-default@{DOMAIN};user=phone", 180),
        ("alice", "tel:0101;phone-context=example.com", 180),
        ("carol", f"sip:5101@{DOMAIN};user=phone", 404),
        ("alice", f"sip:0101;phone-context=paris@{DOMAIN};user=phone", 404),
    ],
)
def test_the_server_applies_a_plan_to_what_is_dialled(office: Stage, who: str, dialled: str, status: int) -> None:
    """The caller's own, or the one that the number names."""
    actor, bob = office.sign_in(who, "bob")
    callee = Callee(bob)
    exchange = Caller(actor).calls(dialled)
    if status == 404:
        assert (exchange.status, exchange.diagnostics, callee.invite) == (404, 14010, None)
        return
    callee.says(180)
    assert exchange.provisional[-1].status == 180


def test_clients_are_told_their_user_s_plan(office: Stage) -> None:
    """At sign-in by name and whole, and when they ask for it; never that of another user."""
    carol, alice = office.sign_in("carol", "alice")
    told = carol.provisions
    assert told["userSetting"].findtext("ucUserLocationProfile") == "Berlin"
    assert told["ServerConfiguration"].findtext("ucLocationProfile") == "default"
    rule = told["locationProfile"].find("LocationProfileDescription/Rule")
    assert [rule.findtext("Pattern"), rule.findtext("Translation")] == [r"^0([1-9]\d+)$", "+49$1"]
    assert alice.provisions["userSetting"].findtext("ucUserLocationProfile") == "default"
    uri = f"{carol.aor};gruu;opaque=app:locationprofile:get;default"
    answer = carol.sip.ask(carol.sip.request("SERVICE", uri)).answer
    assert answer.content_type == "application/ms-location-profile-definition+xml"
    assert tree(answer.body).findtext("Name") == "Berlin"
    assert alice.sip.ask(alice.sip.request("SERVICE", uri)).status == 403


def test_other_plans_count_as_soon_as_they_are_read(office: Stage) -> None:
    """What was dialled a moment ago means something else now."""
    alice, bob = office.sign_in("alice", "bob")
    callee = Callee(bob)
    other = {"default": {"rules": ({"pattern": r"^7$", "translation": "+14255550101"},)}}
    assert office.unit("voice").adopt(Settings.model_validate({"dial_plans": other}))
    assert Caller(alice).calls(f"sip:0101@{DOMAIN};user=phone").status == 404
    Caller(alice).calls(f"sip:7@{DOMAIN};user=phone")
    assert callee.invite is not None


def test_numbers_of_the_directory_are_read_by_the_plan(office: Stage) -> None:
    """On cards they can be dialled, and are shown as the directory writes them; so they are after a start, and by another plan."""
    office.changes("bob", phones=(Phone("work", "0142"), Phone("mobile", "+1 425 555 0199"), Phone("home", "at home")))
    office.pulls()
    alice, bob = office.sign_in("alice", "bob")
    assert bob.allows(alice, 400).status == 200
    alice.watches(bob)
    assert alice.hears(bob).phones == ("0142", "+1 425 555 0199")

    def dialled() -> list[str]:
        return [str(value) for what, value in office.shell("user show bob").rows if what == "phone"]

    told = ["work 0142, dialled as +14255550142", "mobile +1 425 555 0199, dialled as +14255550199", "home at home"]
    assert dialled() == told
    office.stop()
    office.start()
    assert dialled() == told
