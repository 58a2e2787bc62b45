"""Photos are read when they are wanted, once for all who want them, and forgotten in good time."""

import hashlib
from dataclasses import replace

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lyncpy.contracts.directory import Person
from lyncpy.contracts.facts import PersonChanged
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory import photos as module
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.photos import AT_ONCE, KNOWN_S, WAIT_S, Photos
from tests.kit.directory import JPEG, FakePhotos, person
from tests.kit.results import answer_of, result_of, started

ALICE, BOB = person("alice"), person("bob")


class Wall:
    """Photos of some people, on a clock."""

    def __init__(self, *everybody: Person) -> None:
        self.clock, self.people, self.source = Clock(), People(), FakePhotos()
        for one in everybody or (ALICE, BOB):
            self.people.put_person(one)
            self.source.of[one.source] = JPEG + one.aor.encode()
        self.timers = Timers(self.clock, lambda: 1.7e9)
        self.photos = Photos(self.source, self.people, 1_000, self.timers)

    def digest(self, who: Person = ALICE) -> str:
        """Give what is told of somebody's photo now; "": nothing."""
        facts = result_of(self.photos.facts((who,)))
        return facts[who.aor].digest if facts else ""

    def photo(self, who: Person = ALICE, digest: str = "") -> bytes | None:
        """Get somebody's photo."""
        return result_of(self.photos.photo(who.aor, digest or self.digest(who)))


@pytest.fixture
def wall() -> Wall:
    """Alice and Bob with a photo each."""
    return Wall()


def test_a_photo_is_told_and_given(wall: Wall) -> None:
    """By the digest that clients compare; the directory is asked once."""
    facts = result_of(wall.photos.facts((ALICE, BOB)))[ALICE.aor]
    data = wall.source.of["uid=alice"]
    assert (facts.digest, facts.size) == (hashlib.md5(data, usedforsecurity=False).hexdigest(), len(data))
    assert wall.photo() == data
    assert wall.source.reads == [("uid=alice", "uid=bob")]


def test_who_may_not_be_found_is_not_seen() -> None:
    """Nor who is not there, nor another picture than the one that was told."""
    hidden, off = person("hidden", hidden=True), person("off", enabled=False)
    wall = Wall(ALICE, hidden, off)
    assert result_of(wall.photos.facts((hidden, off))) == {}
    assert wall.source.reads == []
    digest = wall.digest()
    for who in (hidden, off, BOB):
        assert wall.photo(who, digest) is None
    assert wall.photo(ALICE, "0" * 32) is None


def test_a_new_photo_is_seen_after_an_hour(wall: Wall) -> None:
    """Or with the next change of the person; who has none any more is told of none."""
    before = wall.digest()
    wall.source.of["uid=alice"] = JPEG + b"new"
    assert wall.digest() == before
    wall.clock.advance(KNOWN_S)
    after = wall.digest()
    assert after not in ("", before)
    assert wall.photo(ALICE, before) is None
    del wall.source.of["uid=alice"]
    wall.photos.person_changed(PersonChanged.from_person(ALICE))
    assert wall.digest() == ""


def test_why_a_photo_is_not_shown_is_said(wall: Wall) -> None:
    """To the operator; clients are told of none."""
    wall.source.of |= {"uid=alice": b"<script>", "uid=bob": JPEG + b"x" * 1_000}
    assert wall.digest() == wall.digest(BOB) == ""
    assert result_of(wall.photos.objection(ALICE)) == "it is no JPEG picture"
    assert "more than [provisioning] photo_size_kb" in result_of(wall.photos.objection(BOB))
    assert result_of(wall.photos.objection(person("nobody"))) == ""


def test_who_waits_for_the_same_photo_has_it_read_once(wall: Wall) -> None:
    """And nobody waits longer than a search may take; what comes later is there for the next."""
    wall.source.gate = Deferred()
    several = [started(wall.photos.facts((ALICE,))) for _ in range(3)]
    later = started(wall.photos.facts((BOB,)))
    assert not any(one.called for one in (*several, later))
    wall.clock.advance(WAIT_S)
    assert [answer_of(one) for one in (*several, later)] == [{}] * 4
    wall.source.gate.callback(None)
    assert wall.digest() != ""
    assert wall.source.reads == [("uid=alice",), ("uid=bob",)]


def test_many_are_read_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of more than may wait only the first are told."""
    monkeypatch.setattr(module, "WANTED_MOST", 2 * AT_ONCE + 1)
    many = tuple(person(f"p{number:03}") for number in range(3 * AT_ONCE))
    wall = Wall(*many)
    assert len(result_of(wall.photos.facts(many))) == 2 * AT_ONCE + 1
    assert [len(one) for one in wall.source.reads] == [AT_ONCE, AT_ONCE, 1]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is kept no more is read again, somebody who is known no more too."""
    monkeypatch.setattr(module, "KEPT_BYTES", 60)
    monkeypatch.setattr(module, "KNOWN_MOST", 2)
    carol = person("carol")
    wall = Wall(ALICE, BOB, carol)
    digests = [(one, wall.digest(one)) for one in (ALICE, BOB)]
    assert None not in [wall.photo(one, digest) for one, digest in digests]
    assert wall.source.reads == [("uid=alice",), ("uid=bob",)] * 2
    assert "" not in (wall.digest(carol), wall.digest(ALICE))
    assert wall.source.reads[4:] == [("uid=carol",), ("uid=alice",)]


def test_what_is_known_stays_while_a_directory_cannot_be_read(wall: Wall) -> None:
    """Nobody is without a photo for what became of somebody else's: each is asked for when it is wanted."""
    known = wall.digest()
    wall.source.down = "the directory is away"
    assert (wall.digest(BOB), wall.digest()) == ("", known)
    wall.clock.advance(KNOWN_S)
    assert wall.digest() == known
    wall.source.down = ""
    assert wall.digest(BOB) != ""


def test_a_photo_that_was_somebody_elses_is_not_kept(wall: Wall) -> None:
    """A pull comes while it is read: the address is another's now, or nobody's."""
    wall.source.gate = Deferred()
    waiting = started(wall.photos.facts((ALICE, BOB)))
    wall.people.put_person(replace(ALICE, source="uid=other"))
    wall.people.drop(BOB.aor)
    wall.source.gate.callback(None)
    assert answer_of(waiting) == {}


def test_who_goes_away_waits_no_more(wall: Wall) -> None:
    """A connection ends, a request is out of time: nothing is kept of it, whatever the directory does."""
    wall.source.gate = Deferred()
    failures: list[Failure] = []
    before = len(wall.timers)
    for _ in range(3):
        gone = started(wall.photos.facts((ALICE,)))
        _ = gone.addErrback(failures.append)
        gone.cancel()
    assert [failure.type for failure in failures] == [CancelledError] * 3
    assert (len(wall.photos), len(wall.timers)) == (0, before)
    wall.source.gate.callback(None)
    assert wall.digest() != ""
    assert wall.source.reads == [("uid=alice",)]


def test_after_the_end_nothing_is_read(wall: Wall) -> None:
    """Who waits is answered."""
    wall.source.gate = Deferred()
    waiting = started(wall.photos.facts((ALICE,)))
    result_of(wall.photos.close())
    assert answer_of(waiting) == {}
    assert wall.source.closed
    assert wall.digest(BOB) == ""
    assert len(wall.source.reads) == 1
