"""A directory that sends more than can be true: bounded, and told with the setting and what to do."""

import socket
from collections.abc import Iterator

import pytest

from lyncpy.backends.ldap_frames import Frames
from lyncpy.backends.ldap_groups import GroupMapping
from lyncpy.backends.ldap_link import EMPTY_PAGES, Access, LdapConnection, LdapEntry
from lyncpy.backends.ldap_notices import NoticeConnection, WatchedSearch
from lyncpy.contracts.addresses import BadDirectoryEntry
from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.kit.directory import mapping_of
from tests.kit.ldap_server import Answers, ber, done, entry, message, server


def searched(answers: Answers, most: int = 100_000, **bounds: int) -> list[LdapEntry]:
    """Read what such a directory gives, at most so many entries."""
    with server(answers) as url, LdapConnection(Access(url, **bounds)) as link:  # type: ignore[arg-type]  # numbers alone
        return [one for one, _ in zip(link.search("dc=x", "(a=b)", ("mail",)), range(most), strict=False)]


def test_pages_are_read_as_they_come() -> None:
    """Two of them, with values of a megabyte."""

    def answers(number: int, count: int) -> Iterator[bytes]:
        yield entry(number, f"uid={count},dc=x", "mail", b"a" * 1_000_000, b"b")
        yield done(number, b"next" if count == 0 else b"")

    found = searched(answers)
    assert [one.dn for one in found] == ["uid=0,dc=x", "uid=1,dc=x"]
    assert [len(value) for value in found[0].raw["mail"]] == [1_000_000, 1]


@pytest.mark.parametrize(
    "values", [(b"x" * 20_000_000,), (b"x@example.com",) * 1_000_000], ids=["one long value", "a million values"]
)
def test_an_enormous_entry_is_refused_before_it_is_read(values: tuple[bytes, ...]) -> None:
    """Its length stands in front; the sentence names the server, the setting and what to do."""
    with pytest.raises(DirectoryUnavailable, match=r"an entry of more than 16777216 bytes: .* raise entry_bytes"):
        searched(lambda number, _: iter((entry(number, "uid=a,dc=x", "mail", *values), done(number))))


@pytest.mark.untraced
def test_a_hundred_thousand_values_are_read_in_one_pass() -> None:
    """Within the bound the cost is that of the bytes: each was copied again at every four thousand of them once."""
    values = tuple(b"x%d@example.com" % number for number in range(100_000))
    (found,) = searched(lambda number, _: iter((entry(number, "uid=a,dc=x", "mail", *values), done(number))))
    assert len(found.raw["mail"]) == 100_000


@pytest.mark.parametrize("referral", [False, True])
def test_a_page_that_does_not_end_is_refused(referral: bool) -> None:
    """Whether of entries, as from a server that ignores the size of pages, or of references to other servers."""

    def answers(number: int, _: int) -> Iterator[bytes]:
        while True:
            if referral:
                yield message(number, ber(0x73, ber(4, b"ldap://127.0.0.1/dc=x" * 500)))
            else:
                yield entry(number, "uid=a,dc=x", "mail", b"x" * 10_000)

    with pytest.raises(DirectoryUnavailable, match=r"more than 2000000 bytes for one pull: .* raise pull_bytes"):
        searched(answers, pull_bytes=2_000_000)


@pytest.mark.untraced
def test_pages_without_end_and_without_entries_are_refused() -> None:
    """A cookie that leads to itself; a server that passes over many entries gives some empty pages, and those are taken."""
    with pytest.raises(DirectoryUnavailable, match="page after page without an entry"):
        searched(lambda number, _: iter((done(number, b"again"),)))

    def answers(number: int, count: int) -> Iterator[bytes]:
        if count == EMPTY_PAGES:
            yield entry(number, "uid=a,dc=x", "mail", b"a")
        yield done(number, b"" if count == EMPTY_PAGES else b"next")

    assert len(searched(answers)) == 1


def test_a_referral_is_not_followed() -> None:
    """Not to itself and not to others: the server to ask is the one that is named."""
    asked: list[int] = []

    def answers(number: int, count: int) -> Iterator[bytes]:
        asked.append(count)
        yield done(number, code=10, more=ber(0xA3, ber(4, b"ldap://127.0.0.1/dc=x")))

    with pytest.raises(DirectoryUnavailable, match="referral: this server does not hold bases"):
        searched(answers)
    assert asked == [0]


@pytest.mark.parametrize(
    "sent", [b"HTTP/1.1 400 Bad", b"\x30\x89" + b"\xff" * 20, b"\x30\x80", b"\x30\x84\xff\xff\xff\xff"]
)
def test_what_is_no_message_is_told(sent: bytes) -> None:
    """Garbage, lengths that nobody could send, and those that only threaten."""

    def answers(number: int, _: int) -> Iterator[bytes]:
        yield sent
        raise OSError

    with pytest.raises(DirectoryUnavailable):
        searched(answers)


def test_a_frame_ends_where_the_connection_does() -> None:
    """What came of it is given; then nothing, as by a socket."""
    for sent in (b"", b"\x30", b"\x30\x82\x01", b"\x30\x05ab", b"\x30\x02ab"):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(sent)
            theirs.shutdown(socket.SHUT_WR)
            frames = Frames(ours, entry_bytes=100, pull_bytes=100, refuse=lambda _: None)
            assert (frames.recv(4096), frames.recv(4096)) == (sent, b"")


def test_what_a_server_tells_for_days_is_bounded_message_by_message() -> None:
    """Until all that stands there has been told, it is one answer; later, each change is one."""

    def answers(number: int, _: int) -> Iterator[bytes]:
        for _ in range(10):
            yield entry(number, "uid=a,dc=x", "mail", b"x" * 500)

    with (
        server(answers) as url,
        NoticeConnection(Access(url, entry_bytes=1_000, pull_bytes=3_000)) as link,
    ):
        link.begin(WatchedSearch("dc=x", "(a=b)", ("mail",), ()))
        for _ in range(4):
            assert link.receive(20) is not None
        link.persist()
        for _ in range(6):
            assert link.receive(20) is not None
    with (
        server(answers) as url,
        NoticeConnection(Access(url, entry_bytes=1_000, pull_bytes=3_000)) as link,
        pytest.raises(DirectoryUnavailable, match="more than 3000 bytes"),
    ):
        link.begin(WatchedSearch("dc=x", "(a=b)", ("mail",), ()))
        for _ in range(10):
            link.receive(20)


def test_a_group_whose_members_never_end_is_skipped() -> None:
    """A server that gives the same piece again and again, of the size that Active Directory has."""
    grouping = GroupMapping(mapping_of("activedirectory"), 5_000)
    asked: list[str] = []

    def more(dn: str, name: str) -> dict[str, tuple[bytes, ...]]:
        asked.append(name)
        return {"member;range=0-1499": (b"uid=a,dc=x",) * 1_500}

    raw = {"cn": (b"all",), "member;range=0-1499": (b"uid=a,dc=x",) * 1_500}
    with pytest.raises(BadDirectoryEntry, match="group_members_max"):
        grouping.group(raw, "cn=all,dc=x", more)
    assert len(asked) == 3
