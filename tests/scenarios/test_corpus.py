"""What clients of Microsoft say about presence, as their specifications write it, played against a whole server.

Each body of `tests/corpus/presence` is sent by Alice's desk. Her phone has to hear all of it;
everybody else exactly what his level shows: Bob is a friend, Carol in her workgroup, Dave a
colleague, Erin an external contact, Mallory blocked.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.kit.actors import (
    BATCH_TYPE,
    DELEGATES_TYPE,
    MEMBERS_TYPE,
    PRESENCE,
    PUBLISH_TYPE,
    SELF,
    SUBSCRIBER_TYPE,
    Actor,
)
from tests.kit.hall import tree
from tests.kit.presence import batch_body
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage

CORPUS = Path(__file__).parents[1] / "corpus" / "presence"
ALL = [
    "state",
    "contactCard",
    "services",
    "legacyInterop",
    "userProperties",
    "note",
    "noteHistory",
    "calendarData",
    "workingHours",
    "device",
    "dndState",
    "routing",
    "userInformation",
    "otherOptions",
    "alerts",
    "rccOptions",
    "mwi",
]
LEVELS = {"bob": 400, "carol": 300, "dave": 200, "erin": 100, "mallory": 32000}

HEARD: dict[str, dict[str, set[str]]] = {
    # Body: who hears of which categories; whoever is not named hears nothing.
    "alerts": {},
    "user-information": {},
    "other-options": {},
    "rcc-options": {},
    "mwi": {},
    "routing": {},
    "working-hours": {user: {"calendarData"} for user in ("bob", "carol", "dave", "erin")},
    "free-busy": {user: {"calendarData"} for user in ("bob", "carol", "dave", "erin")},
    "device": {user: {"services"} for user in ("bob", "carol", "dave", "erin")},
    "note": {user: {"note"} for user in ("bob", "carol", "dave", "erin")},
    "note-out-of-office": {user: {"note"} for user in ("bob", "carol", "dave", "erin")},
    "note-history": {"bob": {"noteHistory"}},
    "contact-card": {user: {"contactCard"} for user in ("bob", "carol", "dave")},
    "state-machine-away": {},
    "state-do-not-disturb": {
        "bob": {"state", "dndState"},
        "carol": {"state", "dndState"},
        "dave": {"state", "dndState"},
        "erin": {"state", "dndState"},
    },
    "state-meeting": {user: {"state"} for user in ("bob", "carol", "dave", "erin")},
    "state-call": {user: {"state"} for user in ("bob", "carol", "dave", "erin")},
    "state-blocked": {},
}

SAID: dict[str, dict[str, str]] = {
    # Body: a word that it has, and who reads it.
    "alerts": {"displayAlertsFromHighPresence": ""},
    "user-information": {"+15550100150": ""},
    "other-options": {"voiceMailTimestamp": "", "publishCalendarPresence": ""},
    "rcc-options": {"toPhoneType": ""},
    "mwi": {"unreadVoiceMailCount": ""},
    "routing": {"clientflags": ""},
    "working-hours": {"StartTimeInMinutes": "bob carol dave"},
    "free-busy": {"AAAAAAAAAACqAAAAAAA=": "bob carol dave"},
    "device": {"applicationSharing": "bob carol dave erin", "PC-17": "", "4b1682a8": "", 'publish="true"': ""},
    "note": {"Back at three": "bob carol dave"},
    "note-out-of-office": {"Away until Friday": "bob carol dave"},
    "note-history": {"Yesterday's news": "bob"},
    "contact-card": {"+15550100170": "bob carol", "+15550100171": "bob", "Head of Everything": "bob carol dave"},
    "state-machine-away": {"W. Europe": ""},
    "state-do-not-disturb": {"9500": "bob carol dave erin", "urgent-interruptions-only": "carol"},
    "state-meeting": {"in-a-meeting": "bob carol dave", "Quarterly secret": "bob carol", "Room Five": "bob carol"},
    "state-call": {"on-the-phone": "bob carol dave", "6500": "bob carol dave erin"},
    "state-blocked": {},
}


class Play:
    """Alice with a desk and a phone, and one watcher of each level who wants to hear everything."""

    def __init__(self, stage: Stage) -> None:
        """Sign everybody in, and let them be told what there is."""
        self.stage = stage
        self.desk, self.phone = stage.sign_in("alice", "alice")
        self.watchers: dict[str, Actor] = {}
        for user, container in LEVELS.items():
            (watcher,) = stage.sign_in(user)
            self.watchers[user] = watcher
            assert self.desk.allows(watcher, container).status == 200
        self.desk.publishes(3500)
        stage.passes(1)
        for watcher in self.watchers.values():
            watcher.sip.subscribe(PRESENCE, batch_body(watcher.aor, [self.desk.aor], categories=ALL), BATCH_TYPE)
        stage.passes(1)
        self._told = {user: len(watcher.others.told) for user, watcher in self.watchers.items()}
        self._heard = {user: len(watcher.sip.heard) for user, watcher in self.watchers.items()}

    def says(self, name: str, content_type: str = PUBLISH_TYPE) -> Exchange:
        """Send a body of the corpus from the desk, and let everybody hear of it."""
        exchange = self.desk.sip.service(content_type, body(name))
        if content_type == PUBLISH_TYPE and exchange.status == 200:
            self.desk.own.take(tree(exchange.answer.body))
        self.stage.passes(1)
        return exchange

    def told(self) -> dict[str, set[str]]:
        """Give the categories that each watcher has heard of since, without those who have heard nothing."""
        found = {
            user: {name for _, names in watcher.others.told[self._told[user] :] for name in names}
            for user, watcher in self.watchers.items()
        }
        return {user: names for user, names in found.items() if names}

    def readers(self, word: str) -> list[str]:
        """Give who has read a word since."""
        return [
            user
            for user, watcher in self.watchers.items()
            if any(word.encode() in request.body for request in watcher.sip.heard[self._heard[user] :])
        ]


@pytest.fixture
def play(stage: Stage) -> Play:
    """Everybody in place."""
    return Play(stage)


def body(name: str) -> bytes:
    """Read a body of the corpus."""
    return (CORPUS / f"{name}.xml").read_bytes()


def values(name: str) -> dict[tuple[str, int, int], Any]:  # Any: lxml's elements
    """Give what a publish body publishes: key → the element, or None."""
    found = {}
    for one in tree(body(name)).iter("publication"):
        key = (one.get("categoryName"), int(one.get("instance")), int(one.get("container")))
        found[key] = next(iter(one), None)
    return found


def plain(element: Any) -> str:  # Any: as above
    """Write an element so that two of the same meaning are the same text."""
    return str(etree.canonicalize(etree.tostring(element, encoding="unicode"), strip_text=True))


@pytest.mark.parametrize("name", sorted(HEARD))
def test_a_publication_is_heard_by_whom_it_concerns(play: Play, name: str) -> None:
    """The desk gets its versions, the phone all that was said, each watcher what his level shows, and no more."""
    exchange = play.says(name)
    assert exchange.status == 200
    for device in (play.desk, play.phone):
        for key, value in values(name).items():
            known = device.own.values[key]
            assert int(known.get("version")) >= 1
            assert [plain(one) for one in known] == ([] if value is None else [plain(value)])
    assert play.told() == HEARD[name]
    for word, readers in SAID[name].items():
        assert play.readers(word) == readers.split(), word


def test_what_was_chosen_by_hand_is_reset_as_a_whole(play: Play) -> None:
    """Lync's Do Not Disturb is in three places; none is left when an operator drops it."""
    play.says("state-do-not-disturb")
    assert play.watchers["dave"].hears(play.desk).availability == "do not disturb"
    play.stage.shell("presence reset alice@example.com")
    play.stage.passes(1)
    assert play.watchers["dave"].hears(play.desk).availability == "available"
    assert play.watchers["carol"].hears(play.desk).activity == ""
    assert not [key for key in play.phone.own.versions if key[0] == "dndState"]


def test_every_body_is_played() -> None:
    """A file that nobody sends proves nothing."""
    others = {"privacy-private", "set-members-bootstrap", "set-members-user", "set-subscribers", "set-delegates"}
    others |= {"roaming-list", "batch-subscribe", "batch-unsubscribe"}
    assert {path.stem for path in CORPUS.glob("*.xml")} == others | HEARD.keys()
    assert HEARD.keys() == SAID.keys()


def test_a_user_goes_private(play: Play) -> None:
    """Those who were placed by name stay; colleagues who are no contacts see her no more."""
    (frank,) = play.stage.sign_in("frank")
    frank.watches(play.desk)
    assert frank.hears(play.desk).availability == "available"
    assert play.says("privacy-private").status == 200
    assert frank.hears(play.desk).availability == "offline"
    assert play.watchers["bob"].hears(play.desk).availability == "available"


def test_the_first_client_sets_up_the_block(play: Play) -> None:
    """Public services belong to the blocked; every device hears of the new list."""
    stale = play.says("set-members-bootstrap", MEMBERS_TYPE)
    assert (stale.status, b'curVersion="1"' in stale.answer.body) == (409, True), "Mallory is on it already"
    members = body("set-members-bootstrap").replace(b'version="0"', b'version="1"')
    assert play.desk.sip.service(MEMBERS_TYPE, members).status == 200
    play.stage.passes(1)
    assert play.phone.own.containers[32000] == (2, frozenset({"publicCloud", "mallory@example.com"}))
    assert play.told() == {}


def test_a_member_is_added_whatever_the_case_of_his_name(play: Play) -> None:
    """Frank becomes a friend; he alone hears of it, and the phone."""
    (frank,) = play.stage.sign_in("frank")
    play.desk.publishes(note="for friends", container=400)
    frank.watches(play.desk)
    play.stage.passes(1)
    play._told = {user: len(watcher.others.told) for user, watcher in play.watchers.items()}
    versioned = body("set-members-user").replace(b'version="0"', b'version="1"')
    assert play.desk.sip.service(MEMBERS_TYPE, versioned).status == 200
    assert frank.hears(play.desk).note == "for friends"
    assert "frank@example.com" in play.phone.own.containers[400][1]
    assert play.told() == {}


def subscribes(frank: Actor, name: str, fields: Sequence[tuple[str, str]] = ()) -> None:
    """Send a batch of the corpus as Frank."""
    asks = [("Require", "adhoclist, categoryList"), ("Supported", "eventlist"), *fields]
    frank.sip.subscribe(PRESENCE, body(name), BATCH_TYPE, fields=asks)
    frank.passes(0.2)


def test_a_batch_asks_about_contacts_only(play: Play) -> None:
    """Frank has Alice on his list and looks at Bob for a moment: she is asked, he is not; she answers for all her devices."""
    (frank,) = play.stage.sign_in("frank")
    bob = play.watchers["bob"]
    subscribes(frank, "batch-subscribe")
    play.stage.passes(1)
    assert frank.hears(play.desk).availability == "available"
    assert frank.hears(bob).availability == "available"
    assert "frank@example.com" in play.desk.own.subscribers
    assert "frank@example.com" in play.phone.own.subscribers
    assert "frank@example.com" not in bob.own.subscribers

    assert play.says("set-subscribers", SUBSCRIBER_TYPE).status == 200
    assert play.phone.own.settled == ["frank@example.com"]

    before = len(frank.others.told)
    subscribes(frank, "batch-unsubscribe")
    play.desk.publishes(6500)
    bob.publishes(6500)
    play.stage.passes(1)
    assert {aor for aor, _ in frank.others.told[before:]} == {bob.aor}


def test_only_a_subscriber_is_acknowledged(play: Play) -> None:
    """The documents say 400 to a name that is not among them."""
    assert play.says("set-subscribers", SUBSCRIBER_TYPE).status == 400


def test_a_delegate_is_named_and_told_to_who_asked(play: Play) -> None:
    """The phone asked for delegates by its roamingList, and hears of Frank; he is of the workgroup then."""
    (frank,) = play.stage.sign_in("frank")
    play.phone.sip.subscribe(SELF, body("roaming-list"), "application/vnd-microsoft-roaming-self+xml")
    play.stage.passes(1)
    frank.watches(play.desk)
    assert play.says("set-delegates", DELEGATES_TYPE).status == 200
    assert play.phone.own.delegates == (1, frozenset({"frank@example.com"}))
    play.says("state-do-not-disturb")
    assert frank.hears(play.desk).activity == "urgent-interruptions-only"
    again = play.says("set-delegates", DELEGATES_TYPE)
    assert again.status == 200, "what is so already needs no version"


def test_a_poll_gives_one_answer(play: Play) -> None:
    """`Expires: 0` shows what there is, asks nobody, and nothing follows."""
    (frank,) = play.stage.sign_in("frank")
    subscribes(frank, "batch-subscribe", [("Expires", "0")])
    play.stage.passes(1)
    assert frank.hears(play.desk).availability == "available"
    assert "frank@example.com" not in play.desk.own.subscribers
    before = len(frank.others.told)
    play.desk.publishes(6500)
    play.stage.passes(1)
    assert len(frank.others.told) == before
