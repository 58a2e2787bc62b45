"""What one version of the server writes for others to read: facts, questions and answers, messages between servers, records.

`python -m tests.kit.release` writes it down as `tests/corpus/release/VERSION.json`, once, when that version is released;
`tests/scenarios/test_two_versions.py` has the present version read it, and compares what the present one writes.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lyncpy import __version__
from lyncpy.backends.nats.encoding import write_answer, write_fact, write_question, write_sign
from lyncpy.contracts.bus import Question
from lyncpy.contracts.facts import (
    AccessChanged,
    AddressesChanged,
    BoardChanged,
    CertificatesRevoked,
    ConferenceChanged,
    ContactsChanged,
    EndpointArrived,
    EndpointGone,
    EndpointGoneReason,
    Fact,
    FlowClosed,
    FlowDrained,
    FlowSilent,
    GroupsChanged,
    NodeReported,
    PersonChanged,
    PoliciesChanged,
    SecretChanged,
    SignInFailed,
    SignInForgiven,
)
from lyncpy.contracts.names import Aor, Epid, FlowName, NodeName, Version
from lyncpy.contracts.questions import DrainAnswer, DrainNode, HowIsNode, NodeState
from tests.kit.pool import Pool
from tests.kit.results import answer_of

FOLDER: Final = Path(__file__).parents[1] / "corpus" / "release"

_NODE: Final = NodeName("n0a1b2c3d")
_FLOW: Final = FlowName("n0a1b2c3d/17")
_ALICE: Final = Aor("sip:alice@example.com")

FACTS: Final[tuple[Fact, ...]] = (
    FlowClosed(_FLOW, "closed by the client"),
    FlowDrained(_FLOW),
    FlowSilent(_FLOW),
    EndpointArrived(_ALICE, Epid("abb2cb12b77f"), _FLOW, Version(7)),
    *(
        EndpointGone(_ALICE, Epid("ABB2"), _FLOW, reason, last=True, version=Version(8))
        for reason in EndpointGoneReason
    ),
    PersonChanged(_ALICE, is_known=False, may_stay=False, moved=Aor("sip:alice.adler@example.com")),
    AddressesChanged(frozenset({_ALICE})),
    GroupsChanged(frozenset({"cn=sales"})),
    SecretChanged(_ALICE),
    CertificatesRevoked(_ALICE, frozenset({"ab" * 32})),
    SignInFailed(_NODE, _ALICE, "192.0.2.1", "abb2", "alice", is_user=True, is_account_user=True, is_relayed=False),
    SignInForgiven(_NODE, "alice", "192.0.2.1", ""),
    BoardChanged(
        _ALICE,
        Version(3),
        frozenset({"state"}),
        Epid("abb2"),
        shown=frozenset({("state", 200)}),
        furnished=frozenset({("contactCard", 0)}),
        members=frozenset({32_000}),
        subscribers=True,
        delegates=True,
        serial=5,
        node=_NODE,
        record=Version(11),
        volatile=Version(1_000_004),
    ),
    AccessChanged(_ALICE),
    ContactsChanged(_ALICE, 12, b"", None),
    ConferenceChanged("alice@example.com ABC123", Version(4)),
    PoliciesChanged(),
    NodeReported(_NODE, "fe1.example.com:5061", 12, has_room=True, is_leaving=False),
)
"""One of each kind, with all that it may have."""

QUESTIONS: Final[tuple[tuple[Question, Any], ...]] = (
    (HowIsNode(), NodeState("0.3.0", 60, 12, "fe1.example.com:5061", is_leaving=True, moved=3, to_move=9)),
    (DrainNode(is_cancelled=False), DrainAnswer("there is no other server")),
)
"""One of each kind, and an answer."""

VOLATILE: Final = ("board", "endpoints")
"""Kinds of records that are volatile."""


def kinds_in(said: bytes) -> list[str]:
    """Give the kinds of the messages that cross the bus between two servers as one; of one alone its own."""
    head = json.loads(said.partition(b"\n")[0])
    return [head["k"], *(one["k"] for one in head.get("of", ()))]


def play(pool: Pool) -> Mapping[str, bytes]:
    """Have two servers do what makes all kinds of records and messages; give one message of each kind between them."""
    sent: dict[str, bytes] = {}

    def note(sender: object, receiver: object, said: object) -> bool:
        if isinstance(said, bytes):
            for kind in kinds_in(said):
                sent.setdefault(kind, said)
        return False

    pool.hub.loses = note
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    alice.adds("bob@example.com", 1, name="Robert")
    alice.adds_group("Kitchen")
    alice.publishes(6500)
    alice.publishes(note="in the library")
    bob.watches(alice)
    alice.meets()
    mine, theirs = alice.talks_to(bob)
    mine.says("hello")
    bob.lets_it_ring()
    alice.invites(bob).cancels()
    theirs.hangs_up()
    pool.passes(2)
    first.ground.flows.close_flow(first.ground.flows.names()[0], "to tell the other")
    bob.pages(alice, "still there?")
    pool.passes(40)
    return sent


def written() -> dict[str, Any]:
    """Give all that this version writes, as JSON has it."""
    with Pool.opened() as pool:
        first = pool.servers[0]
        first.sets_password("carol", "another secret")
        sent = play(pool)
        (alice,) = first.sign_in("alice")
        alice.publishes(3500)
        pool.passes(1)
        durable = [(kind, record) for (kind, _), record in sorted(pool.deployment.store.kept.items())]
        volatile = [
            (kind, record) for kind in VOLATILE for record in answer_of(pool.deployment.volatile.store.scan(kind))
        ]
    return {
        "version": __version__,
        "facts": [one.decode() for fact in FACTS for one in write_fact(_NODE, 9, fact)],
        "sign": write_sign(_NODE, {"FlowClosed": 3}, 2).decode(),
        "questions": [
            [write_question(_NODE, question).decode(), write_answer(_NODE, question, answer).decode()]
            for question, answer in QUESTIONS
        ],
        "sent": {kind: _text(data) for kind, data in sorted(sent.items())},
        "durable": [[kind, record.key, _text(record.value)] for kind, record in durable],
        "volatile": [[kind, record.key, _text(record.value)] for kind, record in volatile],
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{__version__}.json").write_text(json.dumps(written(), indent=1) + "\n", "utf-8")
