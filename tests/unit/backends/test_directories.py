"""Several directories as one: whose key is whose, what is known where one cannot be read, and who is asked about passwords."""

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from lyncpy.backends.directories import Directories, DirectoriesPasswords, DirectoriesPhotos, JoinedDirectory
from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.directory import Group, Person, Pull, SignInObjection, Skipped
from lyncpy.contracts.photos import FoundPhoto
from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.kit.directory import JPEG, FakeDirectory, FakePhotos, Inline, person
from tests.kit.results import answer_of, result_of, started

ALICE, BOB, CAROL = person("alice"), person("bob"), person("carol")
NAMES = ("", "branch")


class Two:
    """Two directories, the second of which is called branch."""

    def __init__(self) -> None:
        self.first, self.second = FakeDirectory(ALICE, BOB), FakeDirectory(CAROL)
        self.both = Directories(
            [
                JoinedDirectory("", "ldap://x", self.first, keyed_members=False),
                JoinedDirectory("branch", "branch.toml", self.second, keyed_members=True),
            ],
            Inline(),
        )

    def pull(self, cookie: str = "") -> Pull:
        """Read both."""
        return result_of(self.both.pull(cookie))


def test_what_both_say_is_put_together() -> None:
    """In the order of the directories; the keys of the second have its name, and each is given its own cookie again."""
    two = Two()
    two.first.groups = [Group("g", "Sales", members=frozenset({"uid=alice", "uid:bob"}))]
    two.second.groups = [Group("g", "Branch", members=frozenset({"key-carol", "uid:carol"}))]
    two.second.skipped = [Skipped("branch.toml [x]", "no address", key="x"), Skipped("elsewhere", "no key")]
    pull = two.pull()
    assert (pull.complete, pull.unread, pull.present) == (True, (), None)
    assert [one.key for one in pull.people] == ["key-alice", "key-bob", "branch/key-carol"]
    assert [one.source for one in pull.people] == ["uid=alice", "uid=bob", "uid=carol"]
    assert pull.groups == (
        Group("g", "Sales", members=frozenset({"uid=alice", "uid:bob"})),
        Group("branch/g", "Branch", members=frozenset({"branch/key-carol", "uid:carol"})),
    )
    assert [(one.source, one.key) for one in pull.skipped] == [
        ("branch: branch.toml [x]", "branch/x"),
        ("branch: elsewhere", ""),
    ]
    two.pull(pull.cookie)
    assert (two.first.cookies, two.second.cookies) == (["", "cookie-1"], ["", "cookie-1"])


def test_members_that_are_places_stay_as_they_are() -> None:
    """A group of LDAP names its members by DN, whatever the directory is called."""
    ldap = FakeDirectory(ALICE)
    ldap.groups = [Group("g", "Sales", members=frozenset({"uid=alice,dc=x", "uid:bob"}))]
    alone = Directories([JoinedDirectory("office", "ldap://x", ldap, keyed_members=False)], Inline())
    assert result_of(alone.pull("")).groups == (
        Group("office/g", "Sales", members=frozenset({"uid=alice,dc=x", "uid:bob"})),
    )


def test_one_that_cannot_be_read_keeps_its_people_and_nobody_from_the_others() -> None:
    """What the other says counts, those who are gone there too; its own mark is kept."""
    two = Two()
    cookie = two.pull().cookie
    two.second.down = "branch.toml cannot be read"
    two.first.people = [ALICE]
    pull = two.pull(cookie)
    assert (pull.complete, pull.unread) == (False, ("branch: branch.toml cannot be read",))
    assert pull.people == (ALICE,)
    assert pull.present is not None and pull.groups_present is not None
    assert [key in pull.present for key in ("key-alice", "key-bob", "branch/key-carol")] == [True, False, True]
    assert sorted(pull.present) == ["key-alice"] and len(pull.present) == 1
    assert "branch/g" in pull.groups_present and "g" not in pull.groups_present and bool(pull.groups_present)
    two.second.down = ""
    two.pull(pull.cookie)
    assert two.second.cookies == ["", "cookie-1", "cookie-1"]


def test_changes_of_one_say_nothing_of_the_other() -> None:
    """One was read whole, of the other a few have changed; where nothing was counted everybody is still there."""
    two = Two()
    dora = person("dora")
    two.second.answers = [
        Pull((dora,), frozenset({"key-carol"}), complete=False, groups=(), cookie="next"),
        Pull(
            (),
            frozenset(),
            complete=False,
            present=frozenset({"d"}),
            groups=(),
            groups_present=frozenset(),
            sources={"d": "uid=d"},
        ),
    ]
    pull = two.pull()
    assert pull.gone == {"branch/key-carol"}
    assert pull.present is not None
    assert [key in pull.present for key in ("key-alice", "gone", "branch/anybody")] == [True, False, True]
    pull = two.pull()
    assert pull.present is not None
    assert [key in pull.present for key in ("key-alice", "branch/d", "branch/anybody")] == [True, True, False]
    assert pull.sources == {"branch/d": "uid=d"}


def test_where_none_can_be_read_it_is_told_of_all() -> None:
    """As of one that is alone."""
    two = Two()
    two.first.down, two.second.down = "one", "other"
    with pytest.raises(DirectoryUnavailable, match="one; other"):
        two.pull()
    result_of(two.both.close())
    assert two.first.closed and two.second.closed


def test_a_pull_under_way_ends_with_the_server() -> None:
    """Also where one has answered: the thread that would put it together may be gone."""
    two = Two()
    two.second.gate = Deferred()
    pulling = started(two.both.pull(""))
    failures: list[Failure] = []
    _ = pulling.addErrback(failures.append)
    result_of(two.both.close())
    assert [str(failure.value) for failure in failures] == ["the directories are being closed"]


@pytest.mark.parametrize("cookie", ["cookie-of-one", "[1]", '{"": 5}'])
def test_a_mark_of_another_time_is_none(cookie: str) -> None:
    """Of the time when there was one directory, for instance."""
    two = Two()
    two.pull(cookie)
    assert (two.first.cookies, two.second.cookies) == ([""], [""])


def branch(user: str) -> Person:
    """Somebody of the second directory."""
    return person(user, key=f"branch/{user}")


def _fits(_: bytes) -> str:
    return ""


def test_each_photo_is_read_in_its_own_directory() -> None:
    """In the order of the people; who is in a directory without photos has none, and one that is down keeps nobody else's."""
    first, second = FakePhotos(), FakePhotos()
    first.of, second.of = {"uid=alice": JPEG}, {"uid=alice": JPEG + b"other"}
    photos = DirectoriesPhotos({"": first, "branch": second}, (*NAMES, "file"))
    people: Sequence[Person] = (branch("alice"), ALICE, person("x", key="file/x"))
    assert result_of(photos.read(people, _fits)) == (FoundPhoto(JPEG + b"other"), FoundPhoto(JPEG), FoundPhoto())
    second.down = "away"
    assert result_of(photos.read(people, _fits)) == (None, FoundPhoto(JPEG), FoundPhoto())
    with pytest.raises(DirectoryUnavailable, match="away"):
        result_of(photos.read(people[:1], _fits))
    assert second.reads == [("uid=alice",)] * 3 and first.reads == [("uid=alice",)] * 2
    result_of(photos.close())
    assert first.closed and second.closed


def test_photos_of_one_directory_are_not_read_behind_those_of_another() -> None:
    """One that answers late delays a reading by no more than that."""
    first, second = FakePhotos(), FakePhotos()
    first.gate = Deferred()
    photos = DirectoriesPhotos({"": first, "branch": second}, NAMES)
    waiting = started(photos.read((ALICE, branch("bob")), _fits))
    assert second.reads == [("uid=bob",)]
    first.gate.callback(None)
    assert answer_of(waiting) == (FoundPhoto(), FoundPhoto())


class Asked:
    """A directory that knows one password."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.asked: list[Person | None] = []
        self.is_open = False
        self.is_down = False

    async def open(self) -> None:
        """Begin."""
        self.is_open = True

    async def close(self) -> None:
        """End."""
        self.is_open = False

    async def check(self, person: Person | None, password: str, peer: str) -> SignInObjection | None:
        """Compare."""
        self.asked.append(person)
        if self.is_down:
            raise DirectoryUnavailable("down")
        return None if person is not None and password == self.password else WRONG


WRONG = SignInObjection(DenialReason.WRONG_PASSWORD, "")


def test_a_password_is_asked_about_in_its_persons_directory() -> None:
    """And nowhere else; of nobody, and of who is in a directory that has no passwords, the first is asked as long."""
    one, other = Asked("one"), Asked("other")
    passwords = DirectoriesPasswords({"": one, "branch": other}, (*NAMES, "file"))
    result_of(passwords.open())
    assert one.is_open and other.is_open
    assert result_of(passwords.check(ALICE, "one", "192.0.2.1")) is None
    assert result_of(passwords.check(branch("alice"), "other", "192.0.2.1")) is None
    assert result_of(passwords.check(branch("alice"), "one", "192.0.2.1")) == WRONG
    assert (one.asked, other.asked) == ([ALICE], [branch("alice")] * 2)
    filed = person("x", key="file/x")
    assert [result_of(passwords.check(who, "one", "192.0.2.1")) for who in (None, filed)] == [WRONG, WRONG]
    assert one.asked == [ALICE, None, None]
    one.is_down = True
    assert result_of(passwords.check(filed, "one", "192.0.2.1")) == WRONG
    with pytest.raises(DirectoryUnavailable):
        result_of(passwords.check(None, "one", "192.0.2.1"))
    result_of(passwords.close())
    assert not (one.is_open or other.is_open)
