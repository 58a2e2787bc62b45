"""Messages of other nodes: what is refused, and what is too large."""

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from lyncpy.backends.nats import encoding
from lyncpy.backends.nats.encoding import (
    MESSAGE_BYTES,
    MessageTooLarge,
    MessageUnreadable,
    key_token,
    read_answer,
    read_fact,
    read_question,
    read_sign,
    token_of,
    write_answer,
    write_fact,
    write_question,
    write_refusal,
    write_sign,
)
from lyncpy.contracts.bus import Question
from lyncpy.contracts.facts import (
    KINDS,
    AddressesChanged,
    BoardChanged,
    CertificatesRevoked,
    ContactsChanged,
    FlowClosed,
    GroupsChanged,
    PoliciesChanged,
    SecretChanged,
)
from lyncpy.contracts.names import Epid, FlowName, NodeName, Version, aor_of
from lyncpy.contracts.questions import HowIsNode, NodeState

NODE = NodeName("n1")
ALICE = aor_of("alice@example.com")


@dataclass(frozen=True, slots=True)
class Which(Question):
    """A question that is answered with several names."""

    answer_type: ClassVar[Any] = tuple[str, ...]
    of: str


def fact(**changes: object) -> bytes:
    """Give a message with some keys changed; None: without it."""
    told = {"v": 1, "node": "n1", "kind": "FlowClosed", "n": 1, "fact": {"flow": "n1/1", "reason": "x"}, **changes}
    return json.dumps({key: value for key, value in told.items() if value is not None}).encode()


def test_a_fact_has_the_bytes_that_are_documented() -> None:
    """Another version of this server, and others' programs, read them."""
    board = BoardChanged(
        ALICE, Version(3), frozenset({"state", "note"}), Epid("AbC"), shown=frozenset({("note", 200)}), serial=9,
        node=NODE, record=Version(5), volatile=Version(8),
    )  # fmt: skip
    (data,) = write_fact(NODE, 7, board)
    assert json.loads(data) == {
        "v": 1,
        "node": "n1",
        "kind": "BoardChanged",
        "n": 7,
        "fact": {
            "aor": "sip:alice@example.com",
            "version": 3,
            "categories": ["note", "state"],
            "by": "AbC",
            "shown": [["note", 200]],
            "furnished": [],
            "members": [],
            "subscribers": False,
            "delegates": False,
            "serial": 9,
            "node": "n1",
            "record": 5,
            "volatile": 8,
        },
    }
    told = read_fact(data)
    assert told == (NODE, 7, board)
    by = told.fact.by  # type: ignore[attr-defined]  # a BoardChanged has it
    assert by.written == "AbC"


def test_keys_that_are_not_known_say_nothing() -> None:
    """The next version may add some; and fields that have a usual value need not be there."""
    assert read_fact(fact(later=1, fact={"flow": "n1/1", "reason": "x", "later": [1]})).fact == FlowClosed(
        FlowName("n1/1"), "x"
    )
    old = fact(kind="BoardChanged", fact={"aor": ALICE, "version": 1, "categories": [], "by": None})
    assert read_fact(old).fact == BoardChanged(ALICE, Version(1), frozenset(), None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (fact(v=2), "has the version 2, and this server knows 1"),
        (fact(v=None), "has the version None"),
        (fact(v=True), "has the version True"),
        (fact(v="1" * 1000), "has the version 1"),
        (fact(node=None), "NoneType stands where str belongs"),
        (fact(node=""), "which node"),
        (fact(node="n" * 65), "which node"),
        (fact(node="\ud800"), "which node"),
        (fact(node="a.b"), "which node"),
        (fact(node="n1\n"), "which node"),
        (fact(kind="Nonsense"), "there is no fact 'Nonsense'"),
        (fact(kind=["FlowClosed"]), "list stands where str belongs"),
        (fact(n=0), "counted from 1"),
        (fact(n=True), "bool stands where int belongs"),
        (fact(n=2**63), "too large"),
        (fact(fact=None), "FlowClosed is no object"),
        (fact(fact={"flow": "n1/1"}), "FlowClosed has no reason"),
        (fact(fact={"flow": 1, "reason": "x"}), "int stands where str belongs"),
        (fact(kind="GroupsChanged", fact={"keys": "abc"}), "str stands where list belongs"),
        (fact(kind="GroupsChanged", fact={"keys": [["a"]]}), "list stands where str belongs"),
        (
            fact(kind="EndpointGone", fact={"aor": "a", "epid": "e", "flow": "f", "reason": ["x"], "last": True}),
            "there is no EndpointGoneReason",
        ),
        (fact(kind="ContactsChanged", fact={"aor": "a", "delta_num": 1, "delta": "ü", "by": None}), "not base64"),
        (
            fact(
                kind="BoardChanged",
                fact={"aor": "a", "version": 1, "categories": [], "by": None, "shown": [["note"]]},
            ),
            "1 values stand where 2 belong",
        ),
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b'{"v":1,"n":' + b"9" * 5000 + b"}", "it is not JSON"),
        (b"[]", "it is no object"),
        (b" " * (MESSAGE_BYTES + 1), "bytes are more than"),
    ],
)
def test_what_is_no_fact_is_refused_with_a_reason(data: bytes, words: str) -> None:
    """One kind of error, whatever it is."""
    with pytest.raises(MessageUnreadable, match=words):
        read_fact(data)


def test_facts_about_one_user_have_one_key_that_does_not_name_them() -> None:
    """Whoever asks the broker what is subscribed learns no address."""
    token = key_token(SecretChanged(ALICE))
    assert token == key_token(CertificatesRevoked(ALICE, frozenset()))
    assert re.fullmatch(r"[a-z2-7]{2}\.[a-z2-7]{14}", token) and token == token_of(ALICE)
    assert key_token(FlowClosed(FlowName("n1/1"), "")) != key_token(FlowClosed(FlowName("n1/2"), ""))
    assert key_token(PoliciesChanged()) == key_token(GroupsChanged(frozenset({"g"}))) == "-"


def test_what_is_too_large_is_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets in several facts, numbered on."""
    monkeypatch.setattr(encoding, "MESSAGE_BYTES", 300)
    names = frozenset(str(number) for number in range(100))
    for whole, field in (
        (AddressesChanged(frozenset(map(aor_of, names))), "aors"),
        (GroupsChanged(names), "keys"),
        (CertificatesRevoked(ALICE, names), "digests"),
    ):
        told = [read_fact(data) for data in write_fact(NODE, 5, whole)]
        assert [one.number for one in told] == list(range(5, 5 + len(told)))
        assert len(told) > 2
        assert frozenset().union(*(getattr(one.fact, field) for one in told)) == getattr(whole, field)


def test_parts_are_as_large_as_a_message_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each but the last is full: another name would be too much."""
    monkeypatch.setattr(encoding, "MESSAGE_BYTES", 300)
    names = frozenset(f"{number:05d}" for number in range(1_000))
    sizes = [len(data) for data in write_fact(NODE, 1, GroupsChanged(names))]
    number_digits = 18
    assert all(300 - number_digits - len('"00000",,') <= size <= 300 for size in sizes[:-1])


def test_a_document_is_neither_told_nor_believed() -> None:
    """Devices show it as it comes, so it must not come from whoever may publish: the list is read anew."""
    (data,) = write_fact(NODE, 1, ContactsChanged(ALICE, 3, b"<contactDelta/>", None))
    assert json.loads(data)["fact"]["delta"] == ""
    forged = fact(kind="ContactsChanged", fact={"aor": ALICE, "delta_num": 3, "delta": "PGEvPg==", "by": None})
    assert read_fact(data).fact == read_fact(forged).fact == ContactsChanged(ALICE, 3, b"", None)


def test_what_cannot_be_told_in_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One long value stays one."""
    monkeypatch.setattr(encoding, "MESSAGE_BYTES", 300)
    for whole in (
        FlowClosed(FlowName("n1/1"), "x" * 500),
        GroupsChanged(frozenset({"x" * 500})),
        ContactsChanged(aor_of("x" * 500), 1, b"", None),
    ):
        with pytest.raises(MessageTooLarge):
            write_fact(NODE, 1, whole)


def test_a_sign_of_life_counts_what_was_told() -> None:
    """Kinds that this version does not know are not its to miss."""
    assert read_sign(write_sign(NODE, {"FlowClosed": 3}, 2)) == (NODE, {"FlowClosed": 3}, 2)
    assert read_sign(write_sign(NODE, {"Later": 3}, 0)) == (NODE, {}, 0)
    assert read_sign(b'{"v":1,"node":"n","told":{"FlowClosed":1}}').unsent == 0
    with pytest.raises(MessageUnreadable):
        read_sign(b'{"v":1,"node":"n","told":{"FlowClosed":-1}}')


def test_questions_and_answers_come_back_as_they_were() -> None:
    """And a refusal is one."""
    kinds: dict[str, type[Question]] = {"Which": Which, "HowIsNode": HowIsNode}
    asked = Which("names")
    assert read_question(write_question(NODE, asked), kinds) == (NODE, asked)
    assert read_answer(write_answer(NODE, asked, ("a", "b")), asked) == (("a", "b"), "")
    state = NodeState("1.0", 5, 7)
    assert read_answer(write_answer(NODE, HowIsNode(), state), HowIsNode()).value == state
    assert read_answer(write_refusal(NODE, "r" * 500), asked) == (None, "r" * 200)
    assert read_answer(write_refusal(NODE, ""), asked).refused == "it gives no reason"
    with pytest.raises(MessageUnreadable, match="nobody answers 'Which'"):
        read_question(write_question(NODE, asked), {})
    with pytest.raises(MessageUnreadable):
        read_answer(write_answer(NODE, asked, ("a",)), HowIsNode())
    with pytest.raises(MessageTooLarge):
        write_question(NODE, Which("x" * MESSAGE_BYTES))


def test_every_kind_of_fact_has_a_name_on_the_wire() -> None:
    """Which is that of its class."""
    assert len({kind.__name__ for kind in KINDS}) == len(KINDS)
