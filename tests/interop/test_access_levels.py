"""Real clients at different access levels that look at one another while states change.

What a client shows is compared with what the shell says that it is shown, and what it was
told is counted in its own log.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.interop.conftest import Clients
from tests.kit.hostile import assert_calm
from tests.kit.purple_client import PurpleClient
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

LEVELS = {"bob": "colleagues", "carol": "workgroup", "dave": "friends", "erin": "external contacts", "frank": "blocked"}
"""Who watches Alice, and at which level."""

CHOICES = {"carol": "Team", "dave": "Personal", "erin": "Public", "frank": "Blocked"}
"""What Alice chooses in her client's menu for that; Bob is a colleague without being chosen."""

SEEN = {
    "busy": "busy",
    "dnd": "do-not-disturb",
    "brb": "be-right-back",
    "away": "away",
    "invisible": "offline",
    "available": "available",
}
"""What Alice chooses, and what all see who are not blocked."""

WORDS = {
    "available": "available", "busy": "busy", "do-not-disturb": "do not disturb", "be-right-back": "be right back",
    "away": "away", "offline": "offline",
}  # fmt: skip
"""A state as a client names it, and as the shell does."""

QUIET_S = 0.4
"""Seconds after which whatever was gathered for a watcher has reached him."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server whose log has to be clean in the end."""
    with RunningServer(tmp_path_factory.mktemp("server") / "home").init().serving() as running:
        yield running
        running.stop()
        assert_calm(running)


def befriend(owner: PurpleClient, *watchers: PurpleClient) -> None:
    """Have each watcher and the owner on one another's list, and see one another."""
    for watcher in watchers:
        for one, other in ((owner, watcher), (watcher, owner)):
            if (other.address, "Friends") not in one.contacts():
                one.add_buddy(other.address)
    for watcher in watchers:
        watcher.wait_presence(owner.address, status="available")
    settle(owner, *watchers)


def settle(*people: PurpleClient) -> None:
    """Wait until all have their answers, and nothing more comes."""
    for one in people:
        one.settle()
    people[0].expect_none("nothing", seconds=QUIET_S)


def place(owner: PurpleClient, watchers: Mapping[str, PurpleClient]) -> None:
    """Have the owner give each watcher his level, by the menu."""
    for number, (name, choice) in enumerate(CHOICES.items(), len(_changes(owner)) + 1):
        owner.set_level(watchers[name].address, choice)
        owner.until(lambda n=number: len(_changes(owner)) == n, "a change of levels")  # type: ignore[misc]  # bound
    watchers["frank"].wait_presence(owner.address, status="offline")
    settle(owner, *watchers.values())


def _changes(client: PurpleClient) -> list[str]:
    return [text for text in client.sip("sent", "SERVICE") if "setContainerMembers" in text]


def told(client: PurpleClient, about: PurpleClient) -> list[str]:
    """Give the notifications of a client that speak of somebody."""
    return [text for text in client.sip("received", "BENOTIFY") if f'uri="{about.uri}"' in text]


def shown(client: PurpleClient, about: PurpleClient) -> tuple[str, str]:
    """Give the state and the words that a client shows of somebody."""
    (one,) = [one for one in client.blist() if one["who"] == about.uri]
    return one["status"], one["message"] or ""


def is_so_in_the_shell(server: RunningServer, owner: PurpleClient, watchers: Sequence[PurpleClient]) -> None:
    """See that the shell says of everybody what his client shows."""
    for watcher in watchers:
        rows = json.loads(server.ssh(f"presence watching {watcher.address} --json"))["rows"]
        (sees,) = {row["sees"] for row in rows if row["watched"] == owner.address}
        assert sees.partition(" (")[0].partition(",")[0] == WORDS[shown(watcher, owner)[0]], watcher.name


def watched(clients: Clients) -> tuple[PurpleClient, dict[str, PurpleClient]]:
    """Sign in Alice and her watchers, each at his level; their clients come back when they lose the server."""
    alice, *others = [clients.make(name) for name in ("alice", *LEVELS)]
    for one in (alice, *others):
        one.login(wait=False, returns=True)
    for one in (alice, *others):
        one.signed_on()
    watchers = dict(zip(LEVELS, others, strict=True))
    if "blocked" not in clients.server.ssh(f"presence watchers {alice.address}"):
        befriend(alice, *others)
        place(alice, watchers)
    return alice, watchers


def see(owner: PurpleClient, watchers: Mapping[str, PurpleClient], **states: str) -> None:
    """Wait until each watcher sees a state: that of his name, else `all`; who is blocked sees nobody."""
    for name, watcher in watchers.items():
        expected = "offline" if name == "frank" else states.get(name, states["all"])
        watcher.wait_presence(owner.address, status=expected)


# --- stories


def test_a_level_is_changed_by_the_menu(clients: Clients, server: RunningServer) -> None:
    """Alice moves one after the other: who is moved hears of it at once, once; nobody else hears anything."""
    alice, *others = clients("alice", *LEVELS)
    watchers = dict(zip(LEVELS, others, strict=True))
    befriend(alice, *others)
    alice.set_status("dnd", "behind the hedge")
    for one in others:
        one.wait_presence(alice.address, status="do-not-disturb", message="behind the hedge")
    settle(alice, *others)

    expected: dict[str, dict[str, Any]] = {  # Any: what `wait_presence` compares with
        "carol": {"status": "busy", "message": re.compile("Urgent interruptions only.*behind the hedge")},
        "dave": {"status": "do-not-disturb", "message": "behind the hedge"},
        "erin": {"status": "do-not-disturb", "message": ""},
        "frank": {"status": "offline"},
    }
    for name, choice in CHOICES.items():
        before = {one: len(told(watchers[one], alice)) for one in watchers}
        alice.set_level(watchers[name].address, choice)
        watchers[name].wait_presence(alice.address, timeout_s=3.0, **expected[name])
        watchers[name].until(lambda b=before, n=name: len(told(watchers[n], alice)) > b[n], "news")  # type: ignore[misc]  # bound
        settle(alice, *others)
        after = {one: len(told(watchers[one], alice)) for one in watchers}
        assert after == {**before, name: before[name] + 1}
    rows = json.loads(server.ssh(f"presence watchers {alice.address} --json"))["rows"]
    assert {row["watcher"].partition("@")[0]: row["level"] for row in rows} == LEVELS
    is_so_in_the_shell(server, alice, others)
    alice.set_status("available", "")
    see(alice, watchers, all="available")


def test_every_state_at_every_level(clients: Clients, server: RunningServer) -> None:
    """All see what Alice chooses; of Do Not Disturb her team sees that something urgent is welcome; who is blocked, nothing."""
    alice, watchers = watched(clients)
    quiet = told(watchers["frank"], alice)
    for chosen, seen in SEEN.items():
        before = {one: len(told(watchers[one], alice)) for one in watchers}
        alice.set_status(chosen)
        see(alice, watchers, all=seen, carol="busy" if chosen == "dnd" else seen)
        settle(alice, *watchers.values())
        after = {one: len(told(watchers[one], alice)) - before[one] for one in watchers}
        assert after == {**dict.fromkeys(watchers, 1), "frank": 0}, chosen
        is_so_in_the_shell(server, alice, list(watchers.values()))
        if chosen == "dnd":
            assert "Urgent interruptions only" in shown(watchers["carol"], alice)[1]
    assert told(watchers["frank"], alice) == quiet


def test_a_note_and_an_idle_machine(clients: Clients, server: RunningServer) -> None:
    """A note is for colleagues and closer; others are not even told that there is one. Idle, she is away to all."""
    alice, watchers = watched(clients)
    erin, frank = watchers["erin"], watchers["frank"]
    before = told(erin, alice), told(frank, alice)

    alice.set_note("in the garden")
    for name in ("bob", "carol", "dave"):
        watchers[name].wait_presence(alice.address, status="available", message="in the garden")
    settle(alice, *watchers.values())
    assert shown(erin, alice) == ("available", "")
    assert (told(erin, alice), told(frank, alice)) == before

    alice.set_idle(400)
    see(alice, watchers, all="away")
    is_so_in_the_shell(server, alice, list(watchers.values()))
    alice.set_idle(0)
    see(alice, watchers, all="available")
    texts = "".join(told(erin, alice))
    assert "in the garden" not in texts and "lastActive" not in texts
    assert told(frank, alice) == before[1]


def test_who_is_blocked_meets_somebody_who_is_offline(clients: Clients, server: RunningServer) -> None:
    """Frank writes to Alice, who blocks him, and to Dave, who is away; invites both: there is no difference anywhere."""
    alice, frank = clients("alice", "frank")
    befriend_if_visible(alice, frank)
    alice.set_level(frank.address, "Blocked")
    frank.wait_presence(alice.address, status="offline")
    dave = server.accounts["dave"].address
    frank.add_buddy(dave)
    frank.settle()
    assert_alike(frank, alice.address, dave)

    words = {}
    for who in (alice.address, dave):
        frank.clear()
        frank.send_im(who, "are you there?")
        words[who] = frank.wait_for("conv_error")["text"].replace(who, "X")
    # Of who blocks him he does not even hear a name; his client has the one that it heard before, or the address.
    assert re.sub("Alice Adler|sip:X", "N", words[alice.address]) == words[dave].replace("Dave Dumont", "N")
    assert_answered_alike(frank, alice.address, dave)

    frank.add_buddy("bob@example.test")
    (bob,) = clients("bob")
    frank.wait_presence(bob.address, status="available")
    frank.start_conference(bob.address)
    frank.wait_for("chat_joined")
    begin = len(frank.sip("received"))
    for who in (alice.address, dave):
        frank.invite(who)
    frank.settle()
    assert_answered_alike(frank, alice.address, dave, since=begin)
    frank.expect_none("chat_members_added", seconds=QUIET_S, members=lambda names: alice.uri in names)
    assert alice.sip("received", "INVITE") == []
    assert sorted(frank.members()) == [bob.address, frank.address]


def befriend_if_visible(owner: PurpleClient, watcher: PurpleClient) -> None:
    """Have both on one another's list, whether they see one another or not."""
    for one, other in ((owner, watcher), (watcher, owner)):
        if (other.address, "Friends") not in one.contacts():
            one.add_buddy(other.address)
        one.settle()


def assert_alike(client: PurpleClient, *others: str) -> None:
    """See that a client shows these people alike, but for their names."""
    rows = [
        {key: value for key, value in one.items() if key not in ("who", "alias")}
        for other in others
        for one in client.blist()
        if one["who"] == f"sip:{other}"
    ]
    assert len(rows) == len(others)
    assert all(row == rows[0] for row in rows), rows


def assert_answered_alike(client: PurpleClient, *others: str, since: int = 0) -> None:
    """See that the last INVITE to each was answered alike: status, headers, reasons; but for names, numbers and signatures."""
    finals = [text for text in client.sip("received")[since:] if re.match(r"SIP/2\.0 [2-6]", text)]
    answers = []
    for other in others:
        text = [text for text in finals if re.search(rf"^To:.*{other}", text, re.M) and "INVITE" in text][-1]
        lines = [line for line in text.replace("\r", "").splitlines() if not line.startswith(_VARYING)]
        answers.append([line.replace(other, "X") for line in lines])
    assert all(answer == answers[0] for answer in answers), answers
    assert answers[0][0].startswith("SIP/2.0 480")


_VARYING = ("Call-ID:", "CSeq:", "Via:", "From:", "To:", "Authentication-Info:", "Proxy-Authentication-Info:")


def test_devices_come_and_go(clients: Clients, server: RunningServer) -> None:
    """Erin has five devices: they make one state, however they leave; he is offline when the last one is gone, not before."""
    dave, *devices = clients("dave", "erin", "erin@desk", "erin@lab", "erin@train", "erin@attic")
    first, desk, lab, train, attic = devices
    befriend_if_visible(first, dave)
    dave.wait_presence(first.address, status="available")
    assert len(json.loads(server.ssh(f"endpoints {first.address} --json"))["rows"]) == 5
    dave.clear()

    desk.set_status("dnd", "five of me")
    dave.wait_presence(first.address, status="do-not-disturb", message="five of me")
    for one in (lab, train, attic):  # who has not heard yet takes the news for newer than their own
        one.wait_for("own_status", status="do-not-disturb")
    attic.set_status("available")
    dave.wait_presence(first.address, status="available")
    for one in devices:
        one.settle()
    dave.clear()

    first.logout()
    lab.kill()
    train.freeze()
    server.ssh(f"signout {first.address}/{epid_of(train)}")
    dave.expect_none("presence", seconds=1.0, who=first.uri, online=False)
    assert len(json.loads(server.ssh(f"endpoints {first.address} --json"))["rows"]) == 2
    is_so_in_the_shell(server, first, [dave])
    first.login()
    attic.kill()
    desk.logout()
    dave.expect_none("presence", seconds=1.0, who=first.uri, online=False)
    assert shown(dave, first)[0] == "available"

    first.kill()
    dave.wait_presence(first.address, timeout_s=3.0, online=False)
    is_so_in_the_shell(server, first, [dave])
    train.thaw()


def epid_of(client: PurpleClient) -> str:
    """Give the name of a client's endpoint."""
    found = re.search(r"epid=([0-9a-f]+)", client.sip("sent", "REGISTER")[-1])
    assert found is not None
    return found[1]


def test_only_contacts_see_who_is_private(clients: Clients, server: RunningServer) -> None:
    """A policy makes Bob private while all look on: Dave, of whom he knows nothing, loses him; Carol, his contact, does not."""
    bob, carol, dave = clients("bob", "carol", "dave")
    befriend(bob, carol)
    dave.add_buddy(bob.address)
    dave.wait_presence(bob.address, status="available")
    settle(bob, carol, dave)
    before = len(told(carol, bob))

    file = server.home / "lyncpy.toml"
    open_ = file.read_text("utf-8")
    try:
        file.write_text(f'{open_}\n[policies.private]\nmembers = ["{bob.address}"]\nprivacy_mode = true\n', "utf-8")
        server.ssh("reload")
        dave.wait_presence(bob.address, timeout_s=3.0, status="offline")
        bob.set_status("busy")
        carol.wait_presence(bob.address, status="busy")
        is_so_in_the_shell(server, bob, [carol, dave])
        assert len(told(carol, bob)) == before + 1
        bob.add_buddy(dave.address)
        dave.wait_presence(bob.address, timeout_s=3.0, status="busy")
        bob.remove_buddy(dave.address)
        dave.wait_presence(bob.address, timeout_s=3.0, status="offline")
    finally:
        file.write_text(open_, "utf-8")
        server.ssh("reload")
    dave.wait_presence(bob.address, timeout_s=3.0, status="busy")
    is_so_in_the_shell(server, bob, [carol, dave])


def test_after_a_crash_everybody_sees_what_he_may(clients: Clients, server: RunningServer) -> None:
    """The server is killed while Alice is in Do Not Disturb: her watchers come back to what they saw, each at his level."""
    alice, watchers = watched(clients)
    alice.set_status("dnd", "still here")
    see(alice, watchers, all="do-not-disturb", carol="busy")
    alice.settle()

    server.kill()
    for one in (alice, *watchers.values()):
        one.wait_for("connection_error", reason="network_error")
    server.start()

    for one in (alice, *watchers.values()):
        one.signed_on_again()
    see(alice, watchers, all="do-not-disturb", carol="busy")
    for name in ("bob", "carol", "dave"):
        watchers[name].wait_presence(alice.address, message=re.compile("still here"))
    assert shown(watchers["erin"], alice)[1] == ""
    is_so_in_the_shell(server, alice, list(watchers.values()))
    rows = json.loads(server.ssh(f"presence watchers {alice.address} --json"))["rows"]
    assert {row["watcher"].partition("@")[0]: row["level"] for row in rows} == LEVELS

    alice.set_level(watchers["frank"].address, "Company")
    watchers["frank"].wait_presence(alice.address, status="do-not-disturb", message="still here")
    alice.kill()
    for watcher in watchers.values():
        watcher.wait_presence(alice.address, timeout_s=5.0, online=False)
