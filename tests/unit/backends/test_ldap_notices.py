"""How an LDAP server is asked to tell of changes, and what each of its messages says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_faults import PEOPLE, SearchSettings
from lyncpy.backends.ldap_link import Access, LdapEntry, Root
from lyncpy.backends.ldap_messages import LdapMessage, Operation
from lyncpy.backends.ldap_notices import (
    CHANGE,
    NOTIFICATION,
    PERSISTENT,
    SYNC,
    SYNC_STATE,
    LdapNotices,
    WatchedSearch,
    is_under,
)
from lyncpy.contracts.directory import DirectoryNotice
from lyncpy.contracts.refusal import DirectoryUnavailable, NoNotices
from lyncpy.workloads.directory.settings import Settings
from tests.kit.gatehouse import timers_of
from tests.kit.results import result_of, started
from tests.kit.threads import HeldThread

CSN: Final = b"20261130054327.191510Z#000000#000#000000"
OPENLDAP: Final = Root(("dc=x", "dc=y"), "", None, ("dc=x", "dc=y"), frozenset({SYNC}))
DOMAIN: Final = Root(("DC=x",), "dc1", 7, ("DC=x", "CN=Configuration,DC=x"), frozenset({NOTIFICATION}))
FREEIPA: Final = Root(
    ("cn=changelog", "dc=x", "o=ipaca"), "", None, ("cn=changelog", "dc=x", "o=ipaca"), frozenset({PERSISTENT, SYNC})
)
READY: Final = LdapMessage(Operation.INTERMEDIATE, value=b"\xa1\x00")
SILENCE: Final = None
REFERENCE: Final = 0x73


def _synced(state: bytes) -> LdapMessage:
    """Write an entry with a Sync State Control, of which the first value says what became of it."""
    value = b"\x30\x15\x0a\x01" + state + b"\x04\x10" + bytes(16)
    return LdapMessage(Operation.ENTRY, "uid=a,dc=x", controls={SYNC_STATE: value})


def _now(dn: str, *classes: bytes, **more: tuple[bytes, ...]) -> LdapMessage:
    """Write an entry as Active Directory shows it."""
    return LdapMessage(Operation.ENTRY, dn, {**({"objectclass": classes} if classes else {}), **more})


class Link:
    """A connection to a server that says one thing after the other, and is silent then."""

    def __init__(self, root: Root, *messages: LdapMessage | None, csn: Sequence[bytes] = (CSN,)) -> None:
        self.answers = root
        self.messages = list(messages)
        self.searches: list[WatchedSearch] = []
        self.read: list[str] = []
        self.csn = csn
        self.aborted = ""
        self.opened = self.closed = 0
        self.left_at_persist: int | None = None

    def __enter__(self) -> "Link":
        self.opened += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def abort(self, reason: str) -> None:
        """Note it."""
        self.aborted = self.aborted or reason

    def root(self) -> Root:
        """Say what it can do."""
        return self.answers

    def glimpse(self, dn: str, names: Sequence[str]) -> Raw | None:
        """Say where the tree stands."""
        self.read.append(dn)
        return {"contextcsn": self.csn} if self.csn else None

    def begin(self, search: WatchedSearch) -> None:
        """Note what is asked for."""
        self.searches.append(search)

    def receive(self, wait_s: float | None) -> LdapMessage | None:
        """Say the next thing; who waits for ever is cut when there is none."""
        if self.messages:
            return self.messages.pop(0)
        if wait_s is None:
            raise DirectoryUnavailable(self.aborted or "the line is cut")
        return None

    def persist(self) -> None:
        """Note how many messages were still to come."""
        self.left_at_persist = len(self.messages)

    def search(
        self, base: str, filters: str, attributes: Sequence[str], named: SearchSettings = PEOPLE
    ) -> list[LdapEntry]:
        """Notices read nothing."""
        raise AssertionError

    def entry(self, dn: str, attributes: Sequence[str]) -> Raw:
        """Notices read nothing."""
        raise AssertionError


class Desk:
    """The thing under test, and its connections one after the other."""

    def __init__(self, *links: Link, **settings: Any) -> None:  # Any: what Settings takes
        self.clock = Clock()
        self.thread = HeldThread()
        self.links = list(links)
        terms = Settings.model_validate(
            {"url": "ldap://x", "group_filters": ["(g=*)"], "filters": ["(p=*)"], **settings}
        )
        access = Access("ldap://x")
        self.notices = LdapNotices(
            terms, lambda: access, lambda _: self.links.pop(0), self.thread, timers_of(self.clock)
        )

    def wait(self) -> DirectoryNotice:
        """Wait for a notice that comes at once."""
        waiting = started(self.notices.wait())
        self.thread.go_on()
        found: list[Any] = []
        _ = waiting.addBoth(found.append)
        if isinstance(found[0], Failure):
            found[0].raiseException()
        notice: DirectoryNotice = found[0]
        return notice


def _heard(root: Root, ready: LdapMessage | None, *messages: LdapMessage | None, **settings: Any) -> DirectoryNotice:
    """Give what some messages are one notice of."""
    searches = 1 if root is DOMAIN else len(settings.get("bases", root.bases))
    desk = Desk(Link(root, *[ready] * searches, *messages), **settings)
    assert desk.wait().is_first
    return desk.wait()


# --- content synchronisation


def test_bytes_are_counted_together_until_all_has_been_told() -> None:
    """What stands there now is one answer; what is told in all the days after it is none."""
    link = Link(OPENLDAP, READY, READY, _synced(b"\x01"))
    desk = Desk(link)
    assert desk.wait().is_first
    assert (link.left_at_persist, desk.wait().gone) == (1, False)


def test_each_base_is_watched_from_where_its_tree_stands() -> None:
    """For people and groups in it, without attributes; with the cookie that slapd writes."""
    link = Link(OPENLDAP, READY, READY, csn=(CSN, b"2"))
    desk = Desk(link, bases=["ou=people,dc=x"], group_bases=["OU=Groups,dc=y"])
    assert desk.wait() == DirectoryNotice("content synchronisation", is_first=True)
    assert [(one.base, one.filters, one.attributes) for one in link.searches] == [
        ("ou=people,dc=x", "(p=*)", ("1.1",)),
        ("OU=Groups,dc=y", "(g=*)", ("1.1",)),
    ]
    assert link.read == ["dc=x", "dc=y"]
    ((oid, critical, value),) = link.searches[0].controls or ()
    assert (oid, critical) == (SYNC, True)
    assert value is not None
    assert value.endswith(b"rid=000,csn=" + CSN + b";2")


def test_people_and_groups_of_one_base_are_one_search() -> None:
    """And without group filters groups are none."""
    link = Link(OPENLDAP, READY)
    Desk(link, bases=["dc=x"]).wait()
    assert [one.filters for one in link.searches] == ["(|(p=*)(g=*))"]
    link = Link(OPENLDAP, READY, READY)
    Desk(link, group_filters=[]).wait()
    assert [(one.base, one.filters) for one in link.searches] == [("dc=x", "(p=*)"), ("dc=y", "(p=*)")]


def test_it_tells_when_all_that_stands_there_has_been_told() -> None:
    """What comes before is what the pull of the start reads."""
    more = LdapMessage(Operation.INTERMEDIATE, value=b"\xa2\x03\x01\x01\x00")
    some = LdapMessage(Operation.INTERMEDIATE, value=b"\xa3\x00")
    link = Link(OPENLDAP, _synced(b"\x00"), some, more, READY)
    assert Desk(link, bases=["dc=x"]).wait().is_first
    assert link.messages == []


@pytest.mark.parametrize(
    ("messages", "gone"),
    [
        ([_synced(b"\x01")], False),
        ([_synced(b"\x02")], False),
        ([_synced(b"\x03")], True),
        ([_synced(b"\x02"), _synced(b"\x03"), _synced(b"\x02")], True),
        ([LdapMessage(Operation.INTERMEDIATE, value=b"\x80\x01x"), _synced(b"\x00"), _synced(b"\x02")], False),
        ([LdapMessage(Operation.INTERMEDIATE, value=b"\xa3\x00")], True),
        ([LdapMessage(REFERENCE), LdapMessage(Operation.ENTRY, "uid=a,dc=x")], False),
    ],
)
def test_a_synchronisation_says_what_is_changed_and_what_is_gone(messages: list[LdapMessage], gone: bool) -> None:
    """A new cookie alone, and what was there already, are no news; all that has come is one notice."""
    link = Link(OPENLDAP, READY, *messages)
    desk = Desk(link, bases=["dc=x"])
    desk.wait()
    assert desk.wait() == DirectoryNotice("content synchronisation", gone=gone)
    assert link.messages == []


def test_without_a_place_to_start_from_everybody_would_be_sent() -> None:
    """So it is not asked; the operator hears what it takes."""
    link = Link(OPENLDAP, csn=())
    with pytest.raises(NoNotices, match='contextCSN of "dc=x": let bind_dn read it'):
        Desk(link, bases=["ou=people,dc=x"]).wait()
    assert (link.opened, link.closed, link.searches) == (1, 1, [])


# --- change notification


def test_a_domain_is_watched_as_a_whole() -> None:
    """Nothing else is granted; its silence is consent."""
    link = Link(DOMAIN, SILENCE)
    desk = Desk(link, bases=["OU=Staff,DC=x"])
    assert desk.wait() == DirectoryNotice("change notification", is_first=True)
    assert [(one.base, one.filters) for one in link.searches] == [("DC=x", "(objectClass=*)")]


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        (_now("CN=a,OU=Staff,DC=x", b"top", b"person", b"user"), False),
        (_now("cn=g, ou=Groups,dc=x", b"top", b"group"), False),
        (_now("CN=a,OU=Left,DC=x", b"top", b"Person", b"contact"), True),
        (_now("CN=a\\0ADEL:1,CN=Deleted Objects,DC=x", b"person", isdeleted=(b"TRUE",)), True),
        (_now("CN=a\\0ADEL:1,OU=Staff,DC=x", b"person", isdeleted=(b"TRUE",)), True),
        (_now("CN=a,OU=Staff,DC=x"), False),
    ],
)
def test_a_notification_says_where_the_entry_stands_now(message: LdapMessage, gone: bool) -> None:
    """Who stands elsewhere may have been moved there."""
    heard = _heard(DOMAIN, SILENCE, message, bases=["OU=Staff,DC=x"], group_bases=["OU=Groups,DC=x"])
    assert heard == DirectoryNotice("change notification", gone=gone)


def test_computers_and_the_like_are_nobodys_news() -> None:
    """A domain is full of them."""
    others = (
        _now("CN=pc,OU=Staff,DC=x", b"person", b"user", b"computer"),
        _now("OU=New,DC=x", b"organizationalUnit"),
        LdapMessage(REFERENCE),
    )
    with pytest.raises(DirectoryUnavailable, match="the line is cut"):
        _heard(DOMAIN, SILENCE, *others)


# --- persistent search


def _changed(dn: str, kind: bytes) -> LdapMessage:
    """Write an entry with what became of it."""
    return LdapMessage(Operation.ENTRY, dn, controls={CHANGE: b"\x30\x03\x0a\x01" + kind} if kind else {})


def test_a_persistent_search_begins_now_and_is_of_whole_trees() -> None:
    """Each once; it is taken when nothing is said against it, and before content synchronisation, whose cookies are the server's."""
    link = Link(FREEIPA)
    desk = Desk(link, bases=["CN=users, cn=accounts,dc=x", "cn=others,dc=x"], group_bases=["cn=groups,dc=x"])
    assert desk.wait() == DirectoryNotice("persistent search", is_first=True)
    (search,) = link.searches
    ((oid, critical, value),) = search.controls or ()
    assert (search.base, search.filters, search.attributes) == ("dc=x", "(|(p=*)(g=*))", ("1.1",))
    assert (oid, critical, value) == (PERSISTENT, True, bytes.fromhex("300902010f0101ff0101ff"))
    assert link.read == []


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        (_changed("uid=a,cn=users,dc=x", b"\x01"), False),
        (_changed("uid=a,cn=Users,DC=x", b"\x04"), False),
        (_changed("uid=a,cn=users,dc=x", b"\x08"), False),
        (_changed("uid=a,cn=users,dc=x", b""), False),
        (_changed("cn=g,cn=groups,dc=x", b"\x04"), False),
        (_changed("uid=a,cn=users,dc=x", b"\x02"), True),
        (_changed("uid=a,cn=deleted users,dc=x", b"\x08"), True),
    ],
)
def test_a_persistent_search_says_what_became_of_an_entry(message: LdapMessage, gone: bool) -> None:
    """Who is renamed and stands elsewhere was moved there."""
    heard = _heard(FREEIPA, SILENCE, message, bases=["cn=users,dc=x"], group_bases=["cn=groups,dc=x"])
    assert heard == DirectoryNotice("persistent search", gone=gone)


def test_what_a_persistent_search_says_of_others_is_nobodys_news() -> None:
    """Nor is a reference to another server."""
    others = (*(_changed("uid=a,cn=others,dc=x", kind) for kind in (b"\x01", b"\x02", b"\x04")), LdapMessage(REFERENCE))
    with pytest.raises(DirectoryUnavailable, match="the line is cut"):
        _heard(FREEIPA, SILENCE, *others, bases=["cn=users,dc=x"])


# --- what does not go on


@pytest.mark.parametrize(
    ("link", "kind", "told"),
    [
        (Link(Root(("dc=x",), "", None)), NoNotices, "neither content synchronisation"),
        (Link(DOMAIN, LdapMessage(Operation.DONE, code=53, told="no")), NoNotices, "result 53: no"),
        (Link(FREEIPA, SILENCE, LdapMessage(Operation.DONE, code=50)), NoNotices, "result 50"),
        (Link(OPENLDAP, LdapMessage(Operation.DONE, code=12)), NoNotices, "result 12"),
        (Link(OPENLDAP, LdapMessage(Operation.DONE, code=4096)), DirectoryUnavailable, "result 4096"),
        (Link(DOMAIN, LdapMessage(Operation.EXTENDED, code=52)), DirectoryUnavailable, "result 52"),
        (Link(OPENLDAP, SILENCE), DirectoryUnavailable, "does not go on"),
        (Link(OPENLDAP, LdapMessage(Operation.INTERMEDIATE, value=b"\xa1\x09")), DirectoryUnavailable, "nobody knows"),
    ],
)
def test_a_server_that_refuses_is_no_server_that_is_away(
    link: Link, kind: type[DirectoryUnavailable], told: str
) -> None:
    """The one is asked again after a while, the other soon; neither connection stays open."""
    with pytest.raises(DirectoryUnavailable, match=told) as caught:
        Desk(link).wait()
    assert type(caught.value) is kind
    assert (link.opened, link.closed) == (1, 1)


@pytest.mark.parametrize(
    "message", [LdapMessage(Operation.DONE, code=51), _synced(b"")], ids=["an end", "what nobody knows"]
)
def test_a_connection_that_is_lost_is_made_anew_by_the_next_wait(message: LdapMessage) -> None:
    """Which is the first again."""
    lost, again = Link(OPENLDAP, READY, READY, message), Link(OPENLDAP, READY, READY, _synced(b"\x02"))
    lost.messages[-1] = LdapMessage(Operation.ENTRY, controls={SYNC_STATE: b"\x30"}) if message.controls else message
    desk = Desk(lost, again)
    desk.wait()
    with pytest.raises(DirectoryUnavailable):
        desk.wait()
    assert lost.closed == 1
    assert desk.wait().is_first
    assert not desk.wait().is_first


def test_a_server_that_never_comes_to_an_end_is_cut() -> None:
    """Each answer of it may come in time."""
    link = Link(OPENLDAP)
    desk = Desk(link, pull_timeout_s=60)
    _ = started(desk.notices.wait()).addErrback(lambda _: None)
    desk.clock.advance(60)
    assert "pull_timeout_s" in link.aborted


# --- the end


def test_an_end_cuts_the_wait_and_ends_the_thread() -> None:
    """Whoever waits hears of it; nothing is asked afterwards."""
    link = Link(OPENLDAP, READY, READY)
    desk = Desk(link)
    desk.wait()
    told: list[Failure] = []
    _ = started(desk.notices.wait()).addErrback(told.append)
    with pytest.raises(DirectoryUnavailable, match="waited for already"):
        result_of(desk.notices.wait())
    closing = started(desk.notices.close())
    assert "closed" in link.aborted
    assert not desk.thread.stopped
    desk.thread.go_on()
    assert (len(told), link.closed, desk.thread.stopped, closing.called) == (1, 1, True, True)
    with pytest.raises(DirectoryUnavailable):
        result_of(desk.notices.wait())


def test_an_end_between_two_waits_closes_the_connection() -> None:
    """And before the first there is none."""
    link = Link(OPENLDAP, READY, READY)
    desk = Desk(link)
    desk.wait()
    closing = started(desk.notices.close())
    desk.thread.go_on()
    assert (link.closed, desk.thread.stopped, closing.called) == (1, True, True)
    result_of(Desk().notices.close())


def test_who_does_not_wait_any_more_cuts_the_connection() -> None:
    """Else the thread would wait for ever."""
    link = Link(OPENLDAP, READY, READY)
    desk = Desk(link)
    desk.wait()
    waiting: Deferred[DirectoryNotice] = started(desk.notices.wait())
    waiting.cancel()
    _ = waiting.addErrback(lambda _: None)
    assert link.aborted


@pytest.mark.parametrize(
    ("place", "base", "is_there"),
    [
        ("ou=people,dc=x", "DC=x", True),
        ("dc=x", "dc=x", True),
        ("dc=xdc=x", "dc=x", False),
        ("uid=a,dc=y", "", True),
        ("dc=x", "ou=people,dc=x", False),
    ],
)
def test_a_place_is_under_a_base(place: str, base: str, is_there: bool) -> None:
    """However the base is written; everything is under the root."""
    assert is_under(place, base) is is_there


def test_nothing_is_sent_before_there_is_a_password(tmp_path: Path) -> None:
    """As for a pull: the sentence is that of the settings."""

    def none() -> Access:
        raise DirectoryUnavailable("there is no password")

    desk = Desk()
    notices = LdapNotices(Settings(url="ldap://x"), none, lambda _: Link(OPENLDAP), desk.thread, timers_of(desk.clock))
    for _ in range(2):
        with pytest.raises(DirectoryUnavailable, match="no password"):
            result_of(notices.wait())
