"""Cookies, filters, and what is refused before a connection is made."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.ldap import Cookie, LdapDirectory, MarkKind, read_cookie
from lyncpy.backends.ldap_clock import compared
from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_faults import PEOPLE, SearchSettings
from lyncpy.backends.ldap_link import Access, LdapConnection, LdapEntry, Root
from lyncpy.contracts.directory import Moment, Pull
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.settings import Settings
from tests.kit.directory import Inline
from tests.kit.ldap_server import BOUND, done, server
from tests.kit.results import result_of


def directory(home: Path, **settings: Any) -> LdapDirectory:
    """Give a directory that reads nothing yet."""
    timers = Timers(Clock(), lambda: 1.7e9)
    terms = Settings(**{"url": "ldap://127.0.0.1:9", **settings})
    return LdapDirectory(terms, ("example.com",), home, LdapConnection, Inline(), timers)


def test_a_cookie_comes_back_as_it_went() -> None:
    """What a restart finds in the store is what the last pull left."""
    cookie = Cookie("fit", MarkKind.USN, "12", "DC1", 3, "run", 1.5)
    assert read_cookie(cookie.text()) == cookie


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"fit": 1, "by": "usn", "mark": "1"}', '{"other": 1}'])
def test_text_that_is_no_cookie_means_reading_everything(text: str) -> None:
    """A damaged cookie costs a full pull and nothing else."""
    assert read_cookie(text) is None


def test_a_password_file_that_is_missing_is_told(tmp_path: Path) -> None:
    """The sentence names the file, the setting and what to do."""
    ldap = directory(tmp_path, bind_dn="cn=x", bind_password_file="pw")
    with pytest.raises(DirectoryUnavailable, match=r"pw\" \(\[directory\] bind_password_file\).*write the password"):
        result_of(ldap.pull(""))


def test_an_empty_password_is_never_sent(tmp_path: Path) -> None:
    """A bind without a password would succeed as anonymous and read half the people."""
    (tmp_path / "pw").write_text("\n")
    ldap = directory(tmp_path, bind_dn="cn=x", bind_password_file="pw")
    with pytest.raises(DirectoryUnavailable, match="there is no password"):
        result_of(ldap.pull(""))


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Connection refused names the URL."""
    with pytest.raises(DirectoryUnavailable, match=r"ldap://127.0.0.1:9 cannot be reached \(.*refused"):
        result_of(directory(tmp_path).pull(""))


def test_another_host_is_not_read_in_the_clear(tmp_path: Path) -> None:
    """People and passwords do not travel unencrypted unless an operator says so."""
    ldap = directory(tmp_path, url="ldap://192.0.2.1")
    with pytest.raises(DirectoryUnavailable, match="start_tls = true, use ldaps://, or allow it with insecure"):
        result_of(ldap.pull(""))


def test_a_missing_ca_file_is_told(tmp_path: Path) -> None:
    """No authority, no connection."""
    with pytest.raises(DirectoryUnavailable, match=r"ca.pem\" cannot be read.*correct ca_file"):
        result_of(directory(tmp_path, ca_file="ca.pem", start_tls=True).pull(""))


def test_nothing_is_read_after_closing(tmp_path: Path) -> None:
    """A pull after the end says so."""
    ldap = directory(tmp_path)
    result_of(ldap.close())
    with pytest.raises(DirectoryUnavailable, match="closed"):
        result_of(ldap.pull(""))


def test_all_connections_of_a_directory_go_to_the_same_of_its_servers(tmp_path: Path) -> None:
    """Pulls, photos and notices; another directory has others."""
    ldap = directory(tmp_path)
    assert ldap.access().last is ldap.access().last
    assert ldap.access().last is not directory(tmp_path).access().last


class Pages:
    """A connection in memory: one entry with a modifyTimestamp; it keeps the filters that it was searched with."""

    def __init__(self, stamp: str) -> None:
        self.stamp = stamp
        self.filters: list[str] = []
        self.more: dict[str, list[bytes]] = {}
        self.policies: dict[str, bytes] = {}

    def __enter__(self) -> "Pages":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to let go of."""

    def root(self) -> Root:
        """Give a base and no numbers."""
        return Root(("dc=x",), "", None)

    def abort(self, reason: str) -> None:
        """No pull here takes longer than it may."""

    def entry(self, dn: str, names: object) -> Raw:
        """Give no more of a group than was seen."""
        return {}

    def search(self, base: str, filters: str, attributes: object, named: SearchSettings = PEOPLE) -> list[LdapEntry]:
        """Give the entry."""
        self.filters.append(filters)
        raw = {"mail": [b"a@example.com"], "entryuuid": [b"k"], "modifytimestamp": [self.stamp.encode()]}
        return [LdapEntry("uid=a,dc=x", {**raw, **self.more})]

    def glimpse(self, dn: str, names: object) -> Raw | None:
        """Give a password policy."""
        return {"pwdmaxage": [self.policies[dn]]} if dn in self.policies else None


class Start:
    """A start of the server, which reads what is given to it over connections in memory; no groups."""

    def __init__(self, clock: Clock | None = None, *filters: str, sweep_every: int = 1) -> None:
        self.clock = clock or Clock()
        self._pages: list[Pages] = []
        noon = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()
        self._directory = LdapDirectory(
            Settings(url="ldap://x", filters=filters or ("(a=b)",), group_filters=(), sweep_every=sweep_every),
            ("example.com",),
            Path(),
            lambda _: self._pages[-1],
            Inline(),
            Timers(self.clock, lambda: noon + self.clock.seconds()),
        )

    def pull(self, pages: Pages, cookie: str = "", *, counting: bool | None = None) -> Pull:
        """Make one pull over pages."""
        self._pages.append(pages)
        return result_of(self._directory.pull(cookie, counting=counting))

    def conditions(self) -> list[str]:
        """Say what is wrong."""
        return [one.finding for one in self._directory.conditions()]

    def read(self, pages: Pages, cookie: str = "") -> str:
        """Make one pull over pages; give the next cookie."""
        return self.pull(pages, cookie).cookie


class Wound(Pages):
    """A domain controller with a clock of its own."""

    def root(self) -> Root:
        """Give what its clock says."""
        return Root(("dc=x",), "", None, clock=datetime(2024, 5, 1, 12, 5, tzinfo=UTC))


def test_a_clock_that_is_another_than_the_servers_is_told() -> None:
    """Kerberos and the dates of accounts go by both; each pull compares them."""
    start = Start()
    start.pull(Pages("20240501100000Z"))
    assert start.conditions() == []
    start.pull(Wound("20240501100000Z"))
    assert start.conditions() == [
        "the clock of this machine is 300 s behind that of ldap://x: let both follow the same time server"
    ]
    start.clock.advance(299)
    start.pull(Wound("20240501100000Z"))
    assert start.conditions() == []
    assert "120 s ahead of" in compared("ldaps://dc1", 120.0).sentence


@pytest.mark.parametrize(("filters", "asked"), [(["uid=a"], "(uid=a)"), (["(uid=a)", " uid=b "], "(|(uid=a)(uid=b))")])
def test_filters_are_joined_by_or(filters: list[str], asked: str) -> None:
    """Parentheses around a filter may be left out."""
    pages = Pages("20240501100000Z")
    Start(None, *filters).pull(pages)
    assert pages.filters == [asked]


def test_the_mark_moves_on_with_the_time_that_has_passed() -> None:
    """People who were all loaded in one second are not read again for ever; no clock is compared with the server's."""
    start, pages = Start(), Pages("20240501100000Z")
    cookie = start.read(pages)
    start.clock.advance(300)
    cookie = start.read(pages, cookie)
    assert pages.filters[1] == "(&(a=b)(modifyTimestamp>=20240501095700Z))"
    cookie = start.read(pages, cookie)
    assert pages.filters[3] == "(&(a=b)(modifyTimestamp>=20240501100200Z))"
    start.clock.advance(999)
    restarted = Start(start.clock)
    restarted.read(pages, restarted.read(pages, cookie))
    assert pages.filters[-2] == "(&(a=b)(modifyTimestamp>=20240501100200Z))"


def test_whoever_asks_decides_whether_entries_are_counted() -> None:
    """A notice that something has changed costs no look at everybody, and is no turn; else it is so with every third."""
    start, pages = Start(sweep_every=3), Pages("20240501100000Z")
    counted: list[bool] = []
    cookie = start.read(pages)
    for counting in (None, False, False, None, None, True, None, None, None):
        answer = start.pull(pages, cookie, counting=counting)
        cookie = answer.cookie
        counted.append(answer.present is not None)
    assert counted == [False, False, False, False, True, True, False, False, True]


def test_a_timestamp_of_the_far_future_does_not_hide_changes() -> None:
    """An entry that somebody dated 2099 is not where the next pull begins."""
    assert Start().read(Pages("20990101000000Z")) == ""
    assert Start().read(Pages("not a time")) == ""


class Controller(Pages):
    """A domain controller in memory."""

    def __init__(self, service: str, usn: int | None) -> None:
        super().__init__("20240501100000Z")
        self.service = service
        self.usn = usn

    def root(self) -> Root:
        """Give who it is and its last number."""
        return Root(("dc=x",), self.service, self.usn)


@pytest.mark.parametrize(
    ("service", "usn", "newer"),
    [
        ("DC1 life1", 100, "(&(a=b)(uSNChanged>=101))"),
        ("DC1 life1", 150, "(&(a=b)(uSNChanged>=101))"),
        ("DC2 life1", 150, "(a=b)"),
        ("DC1 life2", 150, "(a=b)"),
        ("DC1 life1", 99, "(a=b)"),
        ("DC1 life1", None, "(a=b)"),
        ("", 150, "(a=b)"),
    ],
)
def test_numbers_are_followed_on_the_controller_that_gave_them(service: str, usn: int | None, newer: str) -> None:
    """On another controller, in another life of it, or where the numbers went back, everything is read."""
    start = Start()
    cookie = start.read(Controller("DC1 life1", 100))
    later = Controller(service, usn)
    start.read(later, cookie)
    assert later.filters[0] == newer


def test_other_settings_mean_reading_everything() -> None:
    """Who was read by other filters may be nobody by these."""
    pages = Pages("20240501100000Z")
    cookie = Start().read(pages)
    Start(None, "c=d").read(pages, cookie)
    assert pages.filters == ["(a=b)", "(c=d)"]


@pytest.mark.parametrize("mark", ["\u00b2", "x", "-1", ""])
def test_a_mark_that_is_no_number_means_reading_everything(mark: str) -> None:
    """A cookie that somebody bent never becomes a filter."""
    start, controller = Start(), Controller("DC1", 100)
    cookie = read_cookie(start.read(controller))
    assert cookie is not None
    assert cookie.mark == "101"
    start.read(controller, replace(cookie, mark=mark).text())
    assert controller.filters == ["(a=b)"] * 2


def _windows(code: str) -> str:
    return f"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {code}, v1db1"


@pytest.mark.parametrize(
    ("code", "text", "told"),
    [
        (49, _windows("52e"), "correct bind_dn and what stands in bind_password_file"),
        (49, _windows("525"), "correct bind_dn and what stands in bind_password_file"),
        (49, _windows("531"), "does not let them sign in from this server's computer; mend it there"),
        (49, _windows("532"), "the password is too old"),
        (49, _windows("533"), "has switched the account off"),
        (49, _windows("773"), "wants the password changed"),
        (49, _windows("00000775"), "has locked the account"),
        (53, "Account inactivated. Contact system administrator.", "has switched the account off"),
        (51, "", "see the log of the LDAP server"),
    ],
)
def test_what_a_directory_says_of_the_account_is_told_in_words(code: int, text: str, told: str) -> None:
    """An operator need not know Windows' error codes, which come at the end of a long text; other servers say it in theirs."""

    def refuses(number: int) -> bytes:
        return done(number, tag=BOUND, code=code, told=text)

    with (
        server(lambda *_: iter(()), refuses) as url,
        pytest.raises(DirectoryUnavailable, match="refused the bind: ") as caught,
        LdapConnection(Access(url, bind_dn="cn=x", password="pw")),
    ):
        pass
    assert told in str(caught.value)


def test_a_password_policy_that_changes_is_read_for_everybody() -> None:
    """Nobody's entry changes, and everybody's password ends at another time: the increment becomes a full reading."""
    start, pages = Start(), Pages("20240501100000Z")
    changed = datetime(2024, 5, 1, tzinfo=UTC).timestamp()
    pages.more = {"pwdchangedtime": [b"20240501000000Z"], "pwdpolicysubentry": [b"cn=p,dc=x"]}
    pages.policies["cn=p,dc=x"] = b"86400"
    first = start.pull(pages)
    assert first.people[0].must_change == Moment(changed + 86400, "pwdChangedTime+pwdMaxAge")
    second = start.pull(pages, first.cookie)
    assert not second.complete
    pages.policies["cn=p,dc=x"] = b"60"
    third = start.pull(pages, second.cookie)
    assert third.complete
    assert third.people[0].must_change == Moment(changed + 60, "pwdChangedTime+pwdMaxAge")
    del pages.policies["cn=p,dc=x"]
    fourth = start.pull(pages, third.cookie)
    assert fourth.people[0].must_change is None
    assert [(one.source, one.keeps) for one in fourth.skipped] == [("cn=p,dc=x", True)]


def test_a_default_policy_is_named_by_its_dn(tmp_path: Path) -> None:
    """A typing mistake is found at the start."""
    directory(tmp_path, password_policy="cn=default,ou=policies,dc=x")
    with pytest.raises(ValueError, match='password_policy is not a DN: "default"'):
        directory(tmp_path, password_policy="default")
