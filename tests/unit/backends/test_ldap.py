"""Cookies, filters, and what is refused before a connection is made."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.ldap import Cookie, Filters, LdapDirectory, MarkKind, Now, _any_of, _Reading, read_cookie
from lyncpy.backends.ldap_link import Access, LdapConnection, LdapEntry, Root
from lyncpy.backends.ldap_mapping import Raw
from lyncpy.contracts.directory import Moment, Pull
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.settings import Settings
from tests.kit.directory import Inline, mapping_of
from tests.kit.results import result_of


def directory(home: Path, **settings: Any) -> LdapDirectory:
    """Give a directory that reads nothing yet."""
    timers = Timers(Clock(), lambda: 1.7e9)
    return LdapDirectory(Settings(url="ldap://127.0.0.1:9", **settings), "example.com", home, Inline(), timers)


def test_a_cookie_comes_back_as_it_went() -> None:
    """What a restart finds in the store is what the last pull left."""
    cookie = Cookie("fit", MarkKind.USN, "12", "DC1", 3, "run", 1.5)
    assert read_cookie(cookie.text()) == cookie


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"fit": 1, "by": "usn", "mark": "1"}', '{"other": 1}'])
def test_text_that_is_no_cookie_means_reading_everything(text: str) -> None:
    """A damaged cookie costs a full pull and nothing else."""
    assert read_cookie(text) is None


def test_filters_are_joined_by_or() -> None:
    """Parentheses around a filter may be left out."""
    assert _any_of(["uid=a"]) == "(uid=a)"
    assert _any_of(["(uid=a)", " uid=b "]) == "(|(uid=a)(uid=b))"


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
    timers = Timers(Clock(), lambda: 1.7e9)
    ldap = LdapDirectory(Settings(url="ldap://192.0.2.1"), "example.com", tmp_path, Inline(), timers)
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

    def search(self, base: str, filters: str, attributes: object) -> list[LdapEntry]:
        """Give the entry."""
        self.filters.append(filters)
        raw = {"mail": [b"a@example.com"], "entryuuid": [b"k"], "modifytimestamp": [self.stamp.encode()]}
        return [LdapEntry("uid=a,dc=x", {**raw, **self.more})]

    def glimpse(self, dn: str, names: object) -> Raw | None:
        """Give a password policy."""
        return {"pwdmaxage": [self.policies[dn]]} if dn in self.policies else None


def read(pages: Pages, clock: Clock, run: str, cookie: str) -> str:
    """Make one pull over pages; give the next cookie."""
    return pulled(pages, clock, run, cookie).cookie


def pulled(pages: Pages, clock: Clock, run: str, cookie: str) -> Pull:
    """Make one pull over pages."""
    now = Now(datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp(), clock.seconds(), run)
    mapping = mapping_of("openldap")
    reading = _Reading(Settings(url="ldap://x"), mapping, Filters("(a=b)", ""), "fit", now)
    return reading.run(pages, read_cookie(cookie))  # type: ignore[arg-type]  # a link of the test's own


def test_the_mark_moves_on_with_the_time_that_has_passed() -> None:
    """People who were all loaded in one second are not read again for ever; no clock is compared with the server's."""
    clock, pages = Clock(), Pages("20240501100000Z")
    cookie = read(pages, clock, "run", "")
    clock.advance(300)
    cookie = read(pages, clock, "run", cookie)
    assert pages.filters[1] == "(&(a=b)(modifyTimestamp>=20240501095700Z))"
    cookie = read(pages, clock, "run", cookie)
    assert pages.filters[3] == "(&(a=b)(modifyTimestamp>=20240501100200Z))"
    clock.advance(999)
    read(pages, clock, "after a restart", read(pages, clock, "after a restart", cookie))
    assert pages.filters[-2] == "(&(a=b)(modifyTimestamp>=20240501100200Z))"


def test_a_timestamp_of_the_far_future_does_not_hide_changes() -> None:
    """An entry that somebody dated 2099 is not where the next pull begins."""
    assert read(Pages("20990101000000Z"), Clock(), "run", "") == ""
    assert read(Pages("not a time"), Clock(), "run", "") == ""


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
    clock = Clock()
    cookie = read(Controller("DC1 life1", 100), clock, "run", "")
    later = Controller(service, usn)
    read(later, clock, "run", cookie)
    assert later.filters[0] == newer


@pytest.mark.parametrize("mark", ["\u00b2", "x", "-1", ""])
def test_a_mark_that_is_no_number_means_reading_everything(mark: str) -> None:
    """A cookie that somebody bent never becomes a filter."""
    controller = Controller("DC1", 100)
    read(controller, Clock(), "run", Cookie("fit", MarkKind.USN, mark, "DC1").text())
    assert controller.filters[0] == "(a=b)"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("52e", "correct bind_dn and what stands in bind_password_file"),
        ("525", "correct bind_dn and what stands in bind_password_file"),
        ("532", "has a password that has expired"),
        ("533", "is disabled"),
        ("773", "must change its password first"),
        ("775", "is locked"),
    ],
)
def test_what_active_directory_says_of_the_account_is_told_in_words(code: str, told: str) -> None:
    """An operator need not know Windows' error codes, which come at the end of a long text."""
    message = f"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {code}, v1db1"
    result = {"result": 49, "description": "invalidCredentials", "message": message}
    assert told in str(LdapConnection(Access("ldaps://dc1"))._refused(result, "the bind"))


def test_a_password_policy_that_changes_is_read_for_everybody() -> None:
    """Nobody's entry changes, and everybody's password ends at another time: the increment becomes a full reading."""
    clock, pages = Clock(), Pages("20240501100000Z")
    changed = datetime(2024, 5, 1, tzinfo=UTC).timestamp()
    pages.more = {"pwdchangedtime": [b"20240501000000Z"], "pwdpolicysubentry": [b"cn=p,dc=x"]}
    pages.policies["cn=p,dc=x"] = b"86400"
    first = pulled(pages, clock, "run", "")
    assert first.people[0].must_change == Moment(changed + 86400, "pwdChangedTime+pwdMaxAge")
    second = pulled(pages, clock, "run", first.cookie)
    assert not second.complete
    pages.policies["cn=p,dc=x"] = b"60"
    third = pulled(pages, clock, "run", second.cookie)
    assert third.complete
    assert third.people[0].must_change == Moment(changed + 60, "pwdChangedTime+pwdMaxAge")
    del pages.policies["cn=p,dc=x"]
    fourth = pulled(pages, clock, "run", third.cookie)
    assert fourth.people[0].must_change is None
    assert [(one.source, one.keeps) for one in fourth.skipped] == [("cn=p,dc=x", True)]


def test_a_default_policy_is_named_by_its_dn(tmp_path: Path) -> None:
    """A typing mistake is found at the start."""
    directory(tmp_path, password_policy="cn=default,ou=policies,dc=x")
    with pytest.raises(ValueError, match='password_policy is not a DN: "default"'):
        directory(tmp_path, password_policy="default")
