"""What every IDirectory promises, over a people file and a real OpenLDAP server."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.ldap import LdapDirectory
from lyncpy.backends.ldap_link import LdapConnection
from lyncpy.backends.people import PeopleFile
from lyncpy.backends.threads import Threads
from lyncpy.contracts.directory import IDirectory, Pull
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.model.changes import comparing
from lyncpy.workloads.directory.settings import Settings
from tests.kit.directory import done
from tests.kit.slapd import PEOPLE, SLAPD, Slapd
from tests.kit.threads import ThreadPump


class World(ABC):
    """A directory with alice and bob in it, and how a test changes it."""

    pump: ThreadPump
    directory: IDirectory

    def pull(self, cookie: str = "") -> Pull:
        """Pull."""
        return self.pump.run(self.directory.pull(cookie))  # type: ignore[arg-type]  # all implementations are coroutines

    @abstractmethod
    def add(self, name: str, address: str) -> None:
        """Add a person."""

    @abstractmethod
    def title(self, name: str, title: str) -> None:
        """Give a person another title."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a person."""

    @abstractmethod
    def cut(self) -> None:
        """Have an outage."""


class FileWorld(World):
    """Over a people file."""

    def __init__(self, folder: Path) -> None:
        self.pump = ThreadPump()
        self._path = folder / "people.toml"
        self._people: dict[str, dict[str, str]] = {}
        self.directory = PeopleFile(self._path, ("example.com",), Threads(self.pump, "people"))

    def _write(self) -> None:
        lines = [
            f"[{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in facts.items())
            for name, facts in self._people.items()
        ]
        self._path.write_text("\n".join(lines))

    def add(self, name: str, address: str) -> None:
        """Add a table."""
        self._people[name] = {"address": address}
        self._write()

    def title(self, name: str, title: str) -> None:
        """Change a line."""
        self._people[name]["title"] = title
        self._write()

    def remove(self, name: str) -> None:
        """Remove a table."""
        del self._people[name]
        self._write()

    def cut(self) -> None:
        """Lose the file."""
        self._path.unlink()


class LdapWorld(World):
    """Over slapd."""

    def __init__(self, slapd: Slapd) -> None:
        self.pump = ThreadPump()
        self.slapd = slapd
        settings = Settings(url=slapd.url, answer_timeout_s=5)
        timers = Timers(Clock(), time.time)
        self.directory = LdapDirectory(
            settings, ("example.com",), slapd.folder, LdapConnection, Threads(self.pump, "ldap"), timers
        )

    def add(self, name: str, address: str) -> None:
        """Add an entry."""
        self.slapd.add(name, msRTCSIP_PrimaryUserAddress=address)

    def title(self, name: str, title: str) -> None:
        """Change an attribute."""
        self.slapd.modify(f"uid={name},{PEOPLE}", title=title)

    def remove(self, name: str) -> None:
        """Remove an entry."""
        self.slapd.delete(f"uid={name},{PEOPLE}")

    def cut(self) -> None:
        """Stop the server."""
        self.slapd.stop()


@pytest.fixture(params=["people.toml", "slapd"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Each implementation that is installed here, with alice and bob in it."""
    if request.param == "people.toml":
        world: World = FileWorld(tmp_path)
        yield from _peopled(world)
    elif not SLAPD.exists():
        pytest.skip("slapd is not installed")
    else:
        with Slapd(tmp_path) as slapd:
            yield from _peopled(LdapWorld(slapd))


def _peopled(world: World) -> Iterator[World]:
    for name in ("alice", "bob"):
        world.add(name, f"{name}@example.com")
    yield world
    world.pump.run(world.directory.close())  # type: ignore[arg-type]  # all implementations are coroutines


def test_an_empty_cookie_gives_everybody(world: World) -> None:
    """The first answer is complete, and every person has a key and a source of his own."""
    pull = world.pull()
    assert pull.complete
    assert [person.aor for person in pull.people] == ["sip:alice@example.com", "sip:bob@example.com"]
    assert len({person.key for person in pull.people}) == 2
    assert all(person.source for person in pull.people)
    assert not pull.skipped


@pytest.mark.parametrize("cookie", ["nonsense", "{}", "\x00"])
def test_an_unusable_cookie_gives_everybody(world: World, cookie: str) -> None:
    """A cookie that is not of this directory costs a full answer, never an error."""
    pull = world.pull(cookie)
    assert (pull.complete, len(pull.people)) == (True, 2)


def test_what_changed_since_the_cookie_leads_to_the_same_people_as_everything(world: World) -> None:
    """Add, change, remove: known people and the next answer make up what a full answer gives."""
    first = world.pull()
    world.add("carol", "carol@example.com")
    world.title("alice", "Director")
    world.remove("bob")
    second = world.pull(first.cookie)
    changes = done(comparing({person.aor: person for person in first.people}, (), second))
    assert not changes.incomplete
    assert [person.aor for person in changes.added] == ["sip:carol@example.com"]
    assert [person.title for person in changes.changed] == ["Director"]
    assert [person.aor for person in changes.removed] == ["sip:bob@example.com"]
    assert {*changes.added, *changes.changed} == set(world.pull().people)


def test_when_nothing_changed_nothing_changes(world: World) -> None:
    """An answer to a fresh cookie leaves everybody as he is."""
    first = world.pull()
    changes = done(comparing({person.aor: person for person in first.people}, (), world.pull(first.cookie)))
    assert changes.is_empty
    assert changes.unchanged == 2


def test_a_bad_entry_is_skipped_and_named(world: World) -> None:
    """The others are given."""
    world.add("dave", "not an address")
    pull = world.pull()
    assert len(pull.people) == 2
    assert len(pull.skipped) == 1
    assert "dave" in pull.skipped[0].source
    assert '"not an address"' in pull.skipped[0].reason


def test_an_outage_is_told_in_a_sentence(world: World) -> None:
    """It names the setting's section and what to do."""
    world.cut()
    with pytest.raises(DirectoryUnavailable, match=r"\[directory\]"):
        world.pull()


def test_it_may_be_closed_twice(world: World) -> None:
    """An end that comes by two ways is one end."""
    world.pull()
    world.pump.run(world.directory.close())  # type: ignore[arg-type]  # all implementations are coroutines
    world.pump.run(world.directory.close())  # type: ignore[arg-type]  # all implementations are coroutines
