"""During an upgrade servers of two versions work side by side: each reads what the other writes, and the newer one is understood by the older."""

import base64
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from lyncpy.backends.nats.encoding import (
    MessageUnreadable,
    read_answer,
    read_fact,
    read_question,
    read_sign,
    write_answer,
    write_fact,
    write_question,
)
from lyncpy.contracts.facts import KINDS
from lyncpy.contracts.names import NodeName, Version
from lyncpy.contracts.store import Record
from tests.kit.pool import Pool
from tests.kit.release import FACTS, FOLDER, QUESTIONS, written
from tests.kit.results import answer_of

VERSIONS = sorted(file.stem for file in FOLDER.glob("*.json"))

ASKED = {type(question).__name__: type(question) for question, _ in QUESTIONS}


@cache
def of_version(version: str) -> Mapping[str, Any]:
    """Give what a version has written."""
    found: Mapping[str, Any] = json.loads((FOLDER / f"{version}.json").read_text("utf-8"))
    return found


@cache
def of_now() -> Mapping[str, Any]:
    """Give what the present one writes."""
    return written()


@pytest.fixture(params=VERSIONS)
def before(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """Give what a version of before has written."""
    return of_version(request.param)


def test_all_that_nodes_tell_is_written_down() -> None:
    """Whoever adds a kind of fact or question gives a sample of it."""
    assert {type(fact) for fact in FACTS} == set(KINDS)


def test_facts_of_a_version_before_are_read_and_written_so_that_it_reads_them(before: Mapping[str, Any]) -> None:
    """Each has all keys that it had, with the same meaning; further ones are ignored there."""
    for text in before["facts"]:
        was = json.loads(text)
        told = read_fact(text.encode())
        (now,) = [json.loads(data) for data in write_fact(told.node, told.number, told.fact)]
        assert {**now, "fact": {name: now["fact"][name] for name in was["fact"]}} == was
    assert read_sign(before["sign"].encode()).node == "n0a1b2c3d"


def test_questions_of_a_version_before_are_read_and_answered_so_that_it_reads_them(before: Mapping[str, Any]) -> None:
    """And so are its answers."""
    for asked, answered in before["questions"]:
        question = read_question(asked.encode(), ASKED)
        again = json.loads(write_question(question.node, question.question))
        assert again["question"].items() >= json.loads(asked)["question"].items()
        value = read_answer(answered.encode(), question.question).value
        back = json.loads(write_answer(NodeName("n0a1b2c3d"), question.question, value))
        assert back["answer"].items() >= json.loads(answered)["answer"].items()


def test_what_a_later_version_tells_is_read_or_is_a_gap() -> None:
    """A key more is ignored; another version, kind or word of an enumeration is told as unreadable, after which all is read anew."""
    for fact in FACTS:
        (data,) = write_fact(NodeName("n1"), 1, fact)
        later = json.loads(data)
        later["fact"]["more"] = {"deep": [1]}
        later["also"] = 1
        assert read_fact(json.dumps(later).encode()).fact == fact
        for changes in ({"v": 2}, {"kind": "MoonRose"}):
            with pytest.raises(MessageUnreadable):
                read_fact(json.dumps({**later, **changes}).encode())
        for name, value in later["fact"].items():
            with_another = {**later, "fact": {**later["fact"], name: {"never": "seen"}}}
            if name != "more" and value is not None:
                with pytest.raises(MessageUnreadable):
                    read_fact(json.dumps(with_another).encode())


# --- records, and messages between servers


def paths(value: object, before: str = "") -> Iterator[str]:
    """Give all names in JSON, each with those that it is in; members of arrays are alike."""
    if isinstance(value, dict):
        for name, one in value.items():
            # What is below a name that is data is alike for all of them.
            part = name if name.isidentifier() else "*"
            yield f"{before}/{part}"
            yield from paths(one, f"{before}/{part}")
    elif isinstance(value, list):
        for one in value:
            yield from paths(one, before)


def shapes(written: Mapping[str, Any], life: str) -> dict[str, set[str]]:
    """Give for each kind of record which names are in it; what is no JSON has none."""
    found: dict[str, set[str]] = {}
    for kind, _, text in written[life]:
        data = base64.b64decode(text)
        names = found.setdefault(kind, set())
        if data.startswith((b"{", b"[")):
            value = json.loads(data)
            names.update(paths(value))
            if isinstance(value, dict):
                names.update(f"{name}={value[name]}" for name in ("v", "form") if name in value)
    return found


@pytest.mark.parametrize("life", ["durable", "volatile"])
def test_records_have_all_that_a_version_before_reads_in_them(before: Mapping[str, Any], life: str) -> None:
    """The same names in the same form: an older server goes on reading what this one has written."""
    was, now = shapes(before, life), shapes(of_now(), life)
    assert {
        kind: names - now.get(kind, set()) for kind, names in was.items() if not names <= now.get(kind, set())
    } == {}


def test_a_server_starts_on_what_a_version_before_has_kept(before: Mapping[str, Any]) -> None:
    """Contacts, notes, people, passwords, conferences, and who is signed in; nothing is missing, and nothing complains."""
    with Pool.opened(1) as pool:
        (server,) = pool
        server.stop()
        kept = {(kind, key): Record(key, base64.b64decode(text), Version(1)) for kind, key, text in before["durable"]}
        pool.deployment.store.kept = kept
        for kind, key, text in before["volatile"]:
            answer_of(pool.deployment.volatile.store.write(kind, key, base64.b64decode(text), Version(0), None))
        server.start()
        alice, bob = server.sign_in("alice", "bob")
        assert alice.contacts.people == {"sip:bob@example.com": ("Robert", (1,))}
        bob.watches(alice)
        assert bob.hears(alice).note == "in the library"
        # Whose password an operator has changed, and who is signed in at a server that is there.
        server.actor("carol", password="another secret").signs_in()
        (key,) = [key for kind, key, _ in before["durable"] if kind == "conference"]
        assert key.rpartition("/")[2] in str(server.shell("conferences --all").rows).lower()


def test_messages_of_a_server_of_a_version_before_are_taken(before: Mapping[str, Any]) -> None:
    """Each kind is understood, or passed over; nobody stumbles."""
    with Pool.opened(1) as pool:
        (server,) = pool
        now = set(of_now()["sent"])
        assert set(before["sent"]) <= now
        for text in before["sent"].values():
            data = base64.b64decode(text)
            server.bus.local.receive_from_afar(NodeName("n9"), data)  # type: ignore[union-attr]  # a server of a pool has such a bus
            pool.passes(0.1)
            line, _, body = data.partition(b"\n")
            for changes in ({"k": "of a later version"}, {"v": 99}, {"more": 1}):
                later = json.dumps({**json.loads(line), **changes}).encode()
                server.bus.local.receive_from_afar(NodeName("n8"), later + b"\n" + body)  # type: ignore[union-attr]
                pool.passes(0.1)
        assert server.sign_in("alice")
