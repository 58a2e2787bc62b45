"""Meetings of real clients, from "New chat" to the end, and what becomes of them when something dies."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.interop.conftest import Clients
from tests.kit.ports import free_ports
from tests.kit.purple_client import PurpleClient
from tests.kit.server import RunningServer, latest, wait_until

pytestmark = pytest.mark.interop

HIRED = ("grace", "heidi", "ivan", "judy")
DISCONNECTED = "You have been disconnected from this conference."

SETTINGS: dict[str, object] = {
    "conferencing__autopromote": "nobody",
    "im__chat_answer_s": 5.0,
    "im__chat_silences": 2,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server where joining makes nobody a presenter, with meeting links and ten people."""
    (port,) = free_ports(1)
    site = {"web__https_host": "127.0.0.1", "web__https_port": port}
    links = {"conferencing__meeting_url": f"https://127.0.0.1:{port}/meet"}
    running = RunningServer(tmp_path_factory.mktemp("server") / "home", **SETTINGS, **site, **links).init()
    running.hire(*HIRED)
    with running.serving():
        yield running


# --- what people do


def meeting(clients: Clients, *names: str) -> list[PurpleClient]:
    """Sign in; the first begins a conference with the second by "New chat", and invites the others."""
    first, *others = people = clients(*names)
    begin(first, *others)
    together(*people)
    return people


def begin(first: PurpleClient, *others: PurpleClient) -> None:
    """Let somebody begin a conference and invite others."""
    knows(first, *others)
    first.start_conference(others[0].address)
    first.wait_for("chat_joined")
    for other in others[1:]:
        first.invite(other.address)


def knows(client: PurpleClient, *others: PurpleClient) -> None:
    """Have contacts: menus are those of contacts."""
    for address in dict.fromkeys(other.address for other in others):
        if (address, "Friends") not in client.contacts():
            client.add_buddy(address)
    client.settle()


def together(*people: PurpleClient) -> None:
    """Wait until each sees exactly these in the chat."""
    names = sorted({one.address for one in people})
    for one in people:
        one.until(lambda one=one: sorted(one.members()) == names, f"chat with {names}")  # type: ignore[misc]  # bound
    for one in people:
        one.settle()


def all_speak(*people: PurpleClient, word: str = "hello") -> None:
    """Let each say something; everybody else has it, once."""
    for one in people:
        one.chat_send(f"{word} from {one.name}")
    for one in people:
        for other in people:
            if other is not one:
                other.wait_for("chat", who=one.uri, text=f"{word} from {one.name}")


# --- what the logs of the clients say


def said(client: PurpleClient) -> list[str]:
    """Give the texts that the server took from a client's chats, in their order: those answered 202."""
    taken = {_name(text) for text in client.sip("received", "SIP/2.0 202")}
    return [body_of(text) for text in client.sip("sent", "MESSAGE") if _name(text) in taken]


def heard(client: PurpleClient) -> list[tuple[str, str]]:
    """Give (author, text) of every message of a chat that came to a client, as often as it came."""
    found = []
    for text in client.sip("received", "MESSAGE"):
        author = re.search(r"^Ms-Sender: *<sip:([^@]+)@", text, re.MULTILINE | re.IGNORECASE)
        if author is not None:
            found.append((author[1], body_of(text)))
    return found


def body_of(message: str) -> str:
    """Give what stands behind the header of a SIP message."""
    return message.replace("\r\n", "\n").partition("\n\n")[2].strip()


def _name(message: str) -> tuple[str, str]:
    found = [re.search(rf"^{name}: *(.*?)\s*$", message, re.MULTILINE) for name in ("Call-ID", "CSeq")]
    call_id, cseq = (one[1] if one else "" for one in found)
    return call_id, cseq


def focus_of(client: PurpleClient) -> str:
    """Give the URI of the latest conference that a client joined."""
    joined = [text for text in client.sip("sent", "INVITE") if "app:conf:focus:id:" in text.splitlines()[0]]
    return joined[-1].split()[1]


def id_of(client: PurpleClient) -> str:
    """Give the id of the latest conference that a client joined."""
    return focus_of(client).rpartition(":")[2]


# --- stories


@pytest.mark.libraries
def test_new_chat_and_a_third_person(clients: Clients) -> None:
    """Alice picks "New chat" on Bob and invites Carol: all see all, she leads, everybody hears the others once."""
    alice, bob, carol = meeting(clients, "alice", "bob", "carol")
    for one in (alice, bob, carol):
        assert one.members() == {alice.address: True, bob.address: False, carol.address: False}
    assert "Lock" in alice.chat_menu() and "Lock" not in bob.chat_menu()
    for text in ("Grüße aus Köln — ☕ 你好 🙂", "1 < 2 & 3 > 2", '"quoted" \\ back'):
        alice.chat_send(text)
        for other in (bob, carol):
            other.wait_for("chat", who=alice.uri, text=text)
    all_speak(alice, bob, carol)
    alice.settle()
    assert Counter(heard(alice)) == {("bob", "hello from bob"): 1, ("carol", "hello from carol"): 1}
    assert len(said(alice)) == 4

    carol.chat_close()

    for one in (alice, bob):
        one.wait_for("chat_members_removed", members=[carol.uri])
    all_speak(alice, bob, word="still here")
    assert ("alice", "still here from alice") not in heard(carol)


def test_ten_people_in_one_meeting(clients: Clients) -> None:
    """Each of ten says something, all at once and again: everybody has everything once, in each speaker's order."""
    people = meeting(clients, *list(clients.server.accounts)[:6], *HIRED)
    for number in range(5):
        for one in people:
            one.chat_send(f"{number} from {one.name}")
    for one in people:
        one.until(lambda one=one: len(heard(one)) >= 45, "45 messages")  # type: ignore[misc]  # bound
    for one in people:
        one.settle()
        assert said(one) == [f"{number} from {one.name}" for number in range(5)]
        for other in people:
            if other is not one:
                texts = [text for author, text in heard(one) if author == other.name]
                assert texts == said(other)
        assert not [event for event in one.events if event["event"] in ("chat_error", "conv_error")]


def test_a_chat_of_two_becomes_a_conference(clients: Clients, server: RunningServer) -> None:
    """Alice and Bob talk, and go on in a conference with Carol; what was acknowledged on the way has arrived."""
    alice, bob, carol = clients("alice", "bob", "carol")
    knows(alice, bob, carol)
    alice.send_im(bob.address, "knock knock")
    bob.wait_for("im", text="knock knock")
    bob.send_im(alice.address, "who is there?")
    alice.wait_for("im", text="who is there?")

    alice.start_conference(bob.address)
    written = 0
    while not bob.sip("received", "BYE"):
        bob.send_im(alice.address, f"on the way {written}.")
        written += 1
    alice.invite(carol.address)
    together(alice, bob, carol)
    all_speak(alice, bob, carol)

    bob.settle()
    arrived = Counter(event["text"] for event in alice.events if event["event"] == "im")
    assert set(arrived.values()) == {1}
    refused = "".join(event["text"] for event in bob.events if event["event"] == "conv_error")
    old = [body_of(text) for text in bob.sip("sent", "MESSAGE") if "app:conf" not in text]
    assert len(old) > 3, "some were on the way"
    assert not [text for text in old if text not in arrived and text not in refused]
    query = "select * from sessions where user1 = ? and user2 = ? and media = 'im'"
    wait_until(
        lambda: latest(server.sql(query, alice.uri, bob.uri)[:1], "ended_at"), "end of the chat of two in the record"
    )
    record = server.sql(query, alice.uri, bob.uri)[0]
    assert (record["ended_by"], record["end_reason"]) == ("user1", "bye")


@pytest.mark.parametrize("form", ["{uri}", "conf:{uri}?conversation-id=x", "meet:{uri}", "organizer and id", "https"])
def test_joining_by_a_link(clients: Clients, server: RunningServer, form: str) -> None:
    """Whoever has the address of a conference joins by it, in any form in which it is handed on."""
    alice, bob, carol = *meeting(clients, "alice", "bob"), *clients("carol")
    uri = focus_of(alice)
    if form == "https":
        shown = server.ssh(f"conference show {id_of(alice)}")
        link = re.search(r"https://\S+", shown)
        assert link is not None, shown
        carol.join_conference(link[0])
    elif form == "organizer and id":
        carol.join_conference(organizer=alice.address, meeting=id_of(alice))
    else:
        carol.join_conference(form.format(uri=uri))

    together(alice, bob, carol)
    all_speak(alice, bob, carol)


def test_a_conference_that_does_not_exist(clients: Clients) -> None:
    """Joining it is refused, with words."""
    (alice,) = clients("alice")
    alice.join_conference(organizer="bob@example.test", meeting="NOSUCH12")
    notice = alice.wait_for("notice")
    assert "Failed to join the conference" in notice["primary"], notice


def test_a_locked_conference(clients: Clients) -> None:
    """Nobody new gets in, and is told why; unlocked, it is open again."""
    alice, bob, carol = *meeting(clients, "alice", "bob"), *clients("carol")
    alice.chat_action("Lock")
    alice.until(lambda: "Unlock" in alice.chat_menu(), "lock")

    carol.join_conference(focus_of(alice))
    notice = carol.wait_for("notice")
    assert "locked" in f"{notice['primary']} {notice['secondary']}", notice
    assert carol.chats() == []

    alice.chat_action("Unlock")
    alice.until(lambda: "Lock" in alice.chat_menu(), "open door")
    carol.join_conference(focus_of(alice))
    together(alice, bob, carol)


def test_leading(clients: Clients) -> None:
    """Alice makes Bob a leader, who throws Carol out: she is told so, hears nothing more, and may come again."""
    alice, bob, carol = meeting(clients, "alice", "bob", "carol")
    knows(bob, carol, alice)
    menu = bob.buddy_menu(carol.address)
    assert not [label for label in menu if label.startswith(("Remove from", "Make leader"))]

    (leader,) = [label for label in alice.buddy_menu(bob.address) if label.startswith("Make leader")]
    alice.buddy_action(bob.address, leader)
    for one in (alice, bob, carol):
        one.until(lambda one=one: one.members()[bob.address], "presenter bob")  # type: ignore[misc]  # bound
    assert "Lock" in bob.chat_menu()

    (removal,) = [label for label in bob.buddy_menu(carol.address) if label.startswith("Remove from")]
    bob.buddy_action(carol.address, removal)
    carol.wait_for("chat_system", text=DISCONNECTED)
    together(alice, bob)
    before = heard(carol)
    all_speak(alice, bob)
    assert heard(carol) == before

    carol.join_conference(focus_of(alice))
    together(alice, bob, carol)
    assert carol.members()[bob.address] is True


def test_the_leader_leaves(clients: Clients, server: RunningServer) -> None:
    """The others go on without her; the conference is over when the last has left, and all records have their end."""
    alice, bob, carol = meeting(clients, "alice", "bob", "carol")
    uri = focus_of(alice)
    alice.chat_close()
    together(bob, carol)
    all_speak(bob, carol)
    bob.chat_close()
    carol.chat_close()

    assert_recorded(server, uri, "the last participant left", 3)


def test_an_invitee_with_two_devices(clients: Clients) -> None:
    """Bob is invited on both of his machines and is there once; what he is told reaches each that has joined, once."""
    alice, here, there = clients("alice", "bob", "bob@laptop")
    here.until(lambda: here.log().count('<category name="device"') > 1, "two devices of his own")
    begin(alice, here)
    alice.until(lambda: sorted(alice.members()) == [alice.address, here.address], "chat with Bob")
    for one in (alice, here, there):
        one.settle()
    # Which of the two is in it is settled before anything is said: one that comes later does not hear it.
    joined = [one for one in (here, there) if alice.address in one.members()]
    assert joined
    alice.chat_send("which one?")
    for one in joined:
        one.wait_for("chat", who=alice.uri, text="which one?")
    joined[0].chat_send("this one")
    alice.wait_for("chat", who=here.uri, text="this one")
    for one in joined[1:]:
        one.until(lambda: ("bob", "this one") in heard(there) + heard(here), "his own words")
    assert Counter(heard(joined[0]))["alice", "which one?"] == 1


def test_somebody_offline_is_invited(clients: Clients) -> None:
    """Nobody comes, and the meeting goes on."""
    alice, bob = meeting(clients, "alice", "bob")
    alice.invite("frank@example.test")
    alice.settle()
    all_speak(alice, bob)
    assert sorted(alice.members()) == [alice.address, bob.address]
    assert alice.sip("received", "SIP/2.0 480")


def test_a_participant_dies(clients: Clients) -> None:
    """Bob's machine dies: he is taken from the roster, and the others go on."""
    alice, bob, carol = meeting(clients, "alice", "bob", "carol")
    bob.kill()
    for one in (alice, carol):
        one.wait_for("chat_members_removed", members=[bob.uri])
    all_speak(alice, carol)
    assert not [event for event in alice.events if event["event"] == "chat_error"]


def test_a_participant_hangs(clients: Clients, server: RunningServer) -> None:
    """Bob's machine hangs: the others are not slowed, each sender hears that he did not get it, and he is out in the end."""
    alice, bob, carol = meeting(clients, "alice", "bob", "carol")
    bob.freeze()
    alice.chat_send("one")
    carol.wait_for("chat", who=alice.uri, text="one", timeout_s=2)
    carol.chat_send("two")
    alice.wait_for("chat", who=carol.uri, text="two", timeout_s=2)

    told = alice.wait_for("chat_error")
    assert "one" in told["text"], told
    assert "two" in carol.wait_for("chat_error")["text"]
    for one in (alice, carol):
        one.wait_for("chat_members_removed", members=[bob.uri])
    bob.thaw()
    bob.wait_for("chat_system", text=DISCONNECTED)
    assert ("alice", "one") in heard(bob)


def test_an_operator_leads_a_meeting(clients: Clients, server: RunningServer) -> None:
    """In the shell he sees it, shuts its door, promotes, throws out, and ends it for everybody."""
    alice, bob, carol = meeting(clients, "alice", "bob", "carol")
    all_speak(alice, bob, carol)
    id_ = id_of(alice)
    (row,) = [line for line in server.ssh("conferences").splitlines() if id_ in line]
    assert "alice@example.test" in row and "running" in row
    shown = server.ssh(f"conference show {id_}")
    (line,) = [line for line in shown.splitlines() if line.strip().startswith(alice.address)]
    assert "presenter" in line and "inside" in line and "chat focus" in line

    server.ssh(f"conference lock {id_}")
    alice.until(lambda: "Unlock" in alice.chat_menu(), "lock")
    server.ssh(f"conference promote {id_} {bob.address}")
    bob.until(lambda: bob.members()[bob.address], "leading Bob")
    server.ssh(f"conference eject {id_} {carol.address}")
    carol.wait_for("chat_system", text=DISCONNECTED)
    server.ssh(f"conference end {id_}")
    for one in (alice, bob):
        one.wait_for("chat_system", text=DISCONNECTED)

    assert id_ not in server.ssh("conferences")
    wait_until(lambda: "ended by an operator" in server.ssh(f"cdr {alice.address}"), "conference in her records")
    assert_recorded(server, focus_of(alice), "ended by an operator", 3)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server of the test's own, to be killed."""
    with RunningServer(tmp_path / "home", **SETTINGS).init().serving() as running:
        yield running


def test_the_server_dies_in_the_middle_of_a_meeting(mortal: RunningServer, tmp_path: Path) -> None:
    """After `kill -9` all come back, through the locked door and as what they were; nothing acknowledged before was lost."""
    clients = Clients(mortal, tmp_path / "clients")
    try:
        people = [clients.make(name).login(returns=True) for name in list(mortal.accounts)[:5]]
        alice, bob, *others = people
        begin(alice, bob, *others)
        together(*people)
        (leader,) = [label for label in alice.buddy_menu(bob.address) if label.startswith("Make leader")]
        alice.buddy_action(bob.address, leader)
        alice.chat_action("Lock")
        for one in people:
            one.until(lambda one=one: one.members()[bob.address], "presenter bob")  # type: ignore[misc]  # bound
        bob.until(lambda: "Unlock" in bob.chat_menu(), "lock")

        acknowledged: dict[PurpleClient, list[str]] = {}
        for number in range(10):
            # What is answered in the very instant of the death may still be in the server's buffers for
            # the others, who are cut off by the same death; so the last round does not count.
            acknowledged = {one: said(one) for one in people}
            for one in people:
                one.chat_send(f"{number} from {one.name}")
            for one in people:
                one.until(lambda one=one, number=number: len(said(one)) >= number, "answers")  # type: ignore[misc]  # bound
        focus = focus_of(alice)
        mortal.kill()
        for one in people:
            one.wait_for("connection_error", reason="network_error")
        assert all(len(texts) >= 8 for texts in acknowledged.values())
        assert_all_heard(acknowledged)
        # pidgin-sipe 1.25 frees what it knows of a conference when its connection ends, and dies of
        # it when it is back and a window is still open; so their users close it, and join again.
        for one in people:
            one.chat_close("Chat #1")
        mortal.start()

        for one in people:
            one.signed_on_again()
            one.join_conference(focus)
        together(*people)
        leads = {one.address: one in (alice, bob) for one in people}
        for one in people:
            assert one.members() == leads
        assert "Unlock" in bob.chat_menu()
        all_speak(*people, word="again")
        assert_all_heard(acknowledged)
        assert len(mortal.sql("select * from conferences where uri = ?", focus)) == 1
    finally:
        clients.close()


def assert_all_heard(acknowledged: Mapping[PurpleClient, Sequence[str]]) -> None:
    """See that everybody has what was acknowledged to the others, once and in order."""
    assert any(acknowledged.values())
    for speaker, texts in acknowledged.items():
        for one in acknowledged:
            if one is not speaker:
                here = [text for author, text in heard(one) if author == speaker.name]
                assert len(set(here)) == len(here)
                assert [text for text in here if text in set(texts)] == texts, (speaker.name, one.name)


def assert_recorded(server: RunningServer, uri: str, reason: str, people: int) -> None:
    """See that a conference's rows are there and have their ends."""
    query = "select * from conferences where uri = ?"
    wait_until(lambda: [one for one in server.sql(query, uri) if one["ended_at"]], "its end in the record")
    (record,) = server.sql(query, uri)
    assert record["end_reason"] == reason
    for table, each in (("focus_joins", 1), ("mcu_joins", 1), ("conference_sessions", 2)):
        rows = f"select * from {table} where instance = ?"  # the name is one of ours
        ended = "ended_at" if table == "conference_sessions" else "left_at"
        wait_until(lambda: len(server.sql(rows, record["instance"])) == people * each, f"rows in {table}")  # noqa: B023
        wait_until(lambda: all(one[ended] for one in server.sql(rows, record["instance"])), f"ends in {table}")  # noqa: B023
