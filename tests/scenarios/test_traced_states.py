"""What traces tell of beside messages: what has become of a person, a call or a conference, and why, at whichever server."""

from collections.abc import Iterator

import pytest

from tests.kit.actors import Actor
from tests.kit.enrollment import DEVICE
from tests.kit.meetings import Seat, code_of
from tests.kit.pool import Pool
from tests.kit.stage import Stage
from tests.kit.web import CERTIFICATES, TICKETS, WEB, Web

DRAINED_S = 20.0
KNOWN_DEAD_S = 10.0


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Three servers."""
    with Pool.opened(3) as pool:
        yield pool


def begin(stage: Stage, words: str) -> str:
    """Begin a trace; give its name."""
    ((name, *_),) = stage.shell_of_all(f"trace start {words}").rows
    return str(name)


def changes(stage: Stage, name: str) -> list[str]:
    """Give what a trace tells of beside messages, line by line."""
    return [str(row[3]) for row in stage.shell_of_all(f"trace show {name}").rows if "●" in str(row[2])]


def without_id(seat: Seat, lines: list[str]) -> list[str]:
    """Take the conference's name from the beginning of lines that have it."""
    id_ = seat.focus.rpartition(":")[2]
    return [line.removeprefix(f"conference {id_}: ") for line in lines if line.startswith(f"conference {id_}: ")]


def device(actor: Actor) -> str:
    """Write somebody with their device."""
    return f"{actor.aor.removeprefix('sip:')} with device {actor.sip.epid}"


def test_what_happens_in_a_conference_is_told_with_its_reasons(stage: Stage) -> None:
    """Who came, waited, was let in, promoted, refused, removed and why; who locked it; how it ended."""
    alice, bob, carol, dave = stage.sign_in("alice", "bob", "carol", "dave")
    first = alice.meets(subject="The secret merger")
    name = begin(stage, f"conference {first.focus}")
    second = bob.joins(first.focus)
    first.promotes(bob.aor, "attendee")
    second.locks()
    first.locks()
    waiting = carol.seat(first.focus, lobby_capable=True)
    waiting.knocks()
    first.decides_on(carol.aor)
    assert code_of(dave.seat(first.focus).knocks().answer) != "success"
    first.ejects(bob.aor)
    carol.is_cut_off()
    stage.passes(30)
    first.calls_in("sip:nobody@example.com")
    first.ends()
    stage.passes(1)
    told = without_id(first, changes(stage, name))
    assert [line for line in told if "chat" not in line] == [
        f"{device(bob)} joined as presenter, let in as colleague",
        "bob@example.com is attendee from now on",
        "alice@example.com asked for modifyUserRoles: done",
        "bob@example.com asked for modifyConferenceLock: refused, forbidden: Only a presenter may do this",
        "it was locked: everybody new waits in the lobby",
        "alice@example.com asked for modifyConferenceLock: done",
        f"{device(carol)} waits in the lobby as colleague: it is locked",
        "carol@example.com was let in from the lobby",
        "alice@example.com asked for setLobbyAccess: done",
        "dave@example.com asked for a place in it: refused, unauthorized: This meeting is locked",
        f"{device(bob)} is in it no more: ejected, their last device",
        "alice@example.com asked for deleteUser: done",
        f"{device(carol)} is in it no more: connection lost, their last device",
        "alice@example.com asked for addUser: refused, userDoesntExist",
        f"{device(alice)} is in it no more: meeting ended, their last device",
        "its meeting is over: ended by a presenter",
        "alice@example.com asked for deleteConference: done",
    ]
    assert f"{device(bob)} joined its chat" in told
    assert "merger" not in stage.traces.content[name].decode()


def test_a_person_is_told_of_with_their_conferences(stage: Stage) -> None:
    """What they made, joined, were refused and left; whatever others do there stays out."""
    alice, bob = stage.sign_in("alice", "bob")
    name = begin(stage, "user bob@example.com")
    theirs = bob.meets(policy="closedAuthenticated")
    other = alice.meets()
    other.locks()
    bob.seat(other.focus).knocks()
    theirs.leaves()
    stage.passes(1)
    told = changes(stage, name)
    assert "a conference of bob@example.com was made or changed, version 1" in told
    ours = without_id(theirs, told)
    assert ours[0] == "bob@example.com asked for addConference: done"
    assert f"{device(bob)} joined as presenter, let in as organizer" in ours
    assert f"{device(bob)} is in it no more: left, their last device" in ours
    assert without_id(other, told) == [
        "bob@example.com asked for a place in it: refused, unauthorized: This meeting is locked"
    ]
    assert not any("alice@example.com asked" in line for line in told)


def test_all_that_becomes_of_a_person_is_told_with_its_reason(stage: Stage) -> None:
    """Signing in and its refusals, presence, contacts, subscriptions, sessions, policies, the directory, and being gone."""
    (bob,) = stage.sign_in("bob")
    name = begin(stage, "user alice@example.com")
    stage.actor("alice", password="guessed").sip.register()
    (alice,) = stage.sign_in("alice")
    alice.publishes(6500)
    alice.watches(bob)
    alice.adds(bob.aor)
    talk = alice.invites(bob)
    talk.hangs_up()
    bob.declines()
    alice.invites(bob)
    stage.shell("policy set alice@example.com meeting_size 12")
    stage.sets_password("alice", "another")
    stage.passes(1)
    alice.is_cut_off()
    stage.passes(30)
    told = changes(stage, name)
    for words in (
        "alice@example.com could not sign in from ",
        f"alice@example.com signed in, device {alice.sip.epid}, connection ",
        f"presence of alice@example.com changed by device {alice.sip.epid}: ",
        "the subscription of alice@example.com to presence",
        "the contact list of alice@example.com has changed",
        "the session of alice@example.com with bob@example.com (im) begins",
        "the session of alice@example.com with bob@example.com (im) was accepted",
        "the session of alice@example.com with bob@example.com (im) is over by alice@example.com: bye",
        "the session of alice@example.com with bob@example.com (im) is over by bob@example.com: rejected, 603",
        'the policy of alice@example.com has changed: "default"; meeting_size = 12',
        "the password of alice@example.com was set or removed",
        f"alice@example.com is signed in no more, device {alice.sip.epid}: connection lost; it was their last device",
    ):
        assert any(line.startswith(words) for line in told), (words, told)
    assert any("wrong password" in line for line in told)
    granted, over = ("was granted", "is over: connection lost")
    for what in (granted, over):
        assert any(line.startswith("the subscription of alice") and line.endswith(what) for line in told), told


def test_how_somebody_gets_a_certificate_is_told() -> None:
    """A web ticket, a certificate, and why there is none; all of it over HTTPS, where a trace has no messages."""
    with Stage.opened(web=WEB) as stage:
        web, name = Web(stage), begin(stage, "user alice@example.com")
        assert web.certify("alice").status == 200
        assert web.certify("alice", ticket=web.ticket("alice").stolen()).status == 500
        assert web.client().ask_ticket("https://elsewhere.example.com/", TICKETS).status == 500
        assert web.client(password="guessed").ask_ticket(CERTIFICATES, TICKETS).status == 401
        got, certified, again, refused, elsewhere, wrong = changes(stage, name)
        assert got == again == f"alice@example.com got a web ticket for {CERTIFICATES}"
        assert certified.startswith("alice@example.com got certificate ")
        assert certified.endswith(f" for the device {DEVICE.strip('{}').lower()}")
        assert refused == "alice@example.com was refused a certificate: the signature does not fit the key"
        assert elsewhere.startswith("alice@example.com was refused a web ticket: no service here takes tickets at ")
        assert wrong == "alice@example.com could not sign in from 192.0.2.1: wrong password"


def test_who_is_throttled_is_told(stage: Stage) -> None:
    """How long they have to wait, from where, and why."""
    name = begin(stage, "user alice@example.com")
    for _ in range(12):
        stage.actor("alice", password="guessed", address="10.0.0.99").sip.register()
    assert any("may not try to sign in from " in line and "too many failures" in line for line in changes(stage, name))


def test_a_publication_that_is_refused_or_put_off_is_told() -> None:
    """With what was wrong with it, and until when others wait."""
    with Stage.opened(presence={"publications_burst": 10, "publications_per_minute": 6}) as stage:
        desk, phone = stage.sign_in("alice", "alice")
        name = begin(stage, "user alice@example.com")
        desk.publishes(note="first")
        phone.own.versions.clear()
        assert phone.publishes(note="second").status == 409
        for number in range(12):
            desk.publishes(note=f"note {number}")
        shown = [str(row[3]) for row in stage.shell_of_all(f"trace show {name}").rows]
        assert any(line.startswith("409 ") and "Publication version is out of date" in line for line in shown)
        assert f"device {desk.sip.epid} of alice@example.com publishes too fast: others hear of it every 5 s" in shown
        assert "note 3" not in stage.traces.content[name].decode()


def test_a_device_that_moves_to_another_server_is_followed(pool: Pool) -> None:
    """It is told where it has come, and why it is not where it was."""
    first, second, _ = pool
    name = begin(first, "user alice@example.com")
    (alice,) = first.sign_in("alice")
    second.actor("alice", epid=alice.sip.epid).signs_in()
    pool.passes(2)
    told = [line for line in changes(second, name) if f"device {alice.sip.epid}" in line and "signed in" in line]
    assert [line.partition(", connection ")[0] for line in told] == [
        f"alice@example.com signed in, device {alice.sip.epid}",
        f"alice@example.com is signed in no more, device {alice.sip.epid}: replaced",
        f"alice@example.com signed in, device {alice.sip.epid}",
    ]
    assert (first.node in told[0], second.node in told[2]) == (True, True)


def test_a_call_is_told_of_to_its_end(stage: Stage) -> None:
    """A dialog that is traced by its Call-ID, too."""
    alice, bob = stage.sign_in("alice", "bob")
    talk = alice.invites(bob)
    name = begin(stage, f"call-id {talk.invite.call_id}")
    alice.invites(bob).hangs_up()
    talk.hangs_up()
    assert changes(stage, name) == [
        "the session of alice@example.com with bob@example.com (im) is over by alice@example.com: bye"
    ]


def test_a_conference_is_traced_while_its_servers_change(pool: Pool) -> None:
    """One is drained and hands it over, the next is killed and it is taken over: each server tells its part."""
    people = [server.sign_in(who)[0] for server, who in zip(pool, ("alice", "bob", "carol"), strict=True)]
    first = people[0].meets()
    name = begin(pool.servers[2], f"conference {first.focus}")
    second, third = (who.joins(first.focus) for who in people[1:])
    pool.passes(1)
    pool.servers[2].shell(f"drain {pool.servers[0].node}")
    pool.passes(DRAINED_S)
    told = without_id(third, changes(pool.servers[2], name))
    assert "its meeting is handed over, because this server is drained" in told
    assert "its meeting runs here no more, another server goes on with it" in told
    taken = f"its meeting was taken over from {pool.servers[0].node}, with "
    assert any(line.startswith(taken) for line in told), told
    assert any(line.startswith(f"{device(people[2])} joined as ") for line in told)
    assert second.dialog is not None


def test_a_conference_is_traced_when_its_server_is_lost(pool: Pool) -> None:
    """Who goes on with it says from whom they took it, who is still there, and who is lost."""
    people = [server.sign_in(who)[0] for server, who in zip(pool, ("alice", "bob", "carol"), strict=True)]
    seats = [people[0].meets()]
    seats += [who.joins(seats[0].focus) for who in people[1:]]
    name = begin(pool.servers[1], f"conference {seats[0].focus}")
    pool.servers[0].kill()
    pool.passes(KNOWN_DEAD_S)
    told = without_id(seats[0], changes(pool.servers[1], name))
    assert f"its meeting was taken over from {pool.servers[0].node}, with 2 people who are still connected" in told


def test_why_tells_of_the_last_refusals_of_all_devices_at_all_servers(pool: Pool) -> None:
    """Each with the server where it was, the device, and what it said and heard, without a trace."""
    devices = [server.sign_in("alice")[0] for server in pool.servers[:2]]
    for number, one in enumerate(devices):
        one.seat(f"sip:bob@example.com;gruu;opaque=app:conf:focus:id:NOWHERE{number}").knocks()
    table = pool.servers[2].shell_of_all("why alice@example.com")
    node, finding = table.columns.index("node"), table.columns.index("finding")
    told = {str(row[node]): str(row[finding]) for row in table.rows if "it said: INVITE sip:bob@" in str(row[finding])}
    for server, one in zip(pool.servers, devices, strict=False):
        words = told[server.node]
        assert f"of device {one.sip.epid} was refused at " in words
        assert "and heard: SIP/2.0 404 " in words
