"""What a chat leaves with the nodes of clients, for the next home, and how that reads it."""

from dataclasses import replace

import pytest

from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.names import FlowName, epid_of
from lyncpy.workloads.im.open_messages import read_left
from tests.kit.chats import FOCUS, Chat, Member, SlowArchive, number_of


def there(chat: Chat, user: str) -> Member:
    """Let somebody join by a connection of another node."""
    member = Member(chat, user, "E1")
    member.flow = FlowName(f"m/{user}")
    response = member.knocks(b"v=0\r\nm=message 5060 sip null\r\na=accept-types:text/plain\r\n")
    member.takes(response)  # type: ignore[arg-type]  # it is no refusal
    member.acknowledges()
    return member


def names(chat: Chat) -> list[str]:
    """Give what is left with others."""
    return sorted(name.replace("@contoso.test", "") for name in chat.keeper.kept)


def test_who_has_not_got_a_message_is_left_with_its_sender() -> None:
    """Until they are told; who speaks here is lost with this node, and so is what would be left for them."""
    chat = Chat()
    alice, bob = there(chat, "alice"), chat.joins("bob")
    first = number_of(alice.says("hello"))
    assert number_of(bob.says("hello")) == first + 1
    assert names(chat) == [f"said {first}"]
    (left,) = chat.keeper.kept.values()
    assert (left.flow, left.owner) == (alice.flow, alice.aor)
    (found,) = read_left(FOCUS, [left])
    assert (found.number, found.sender, found.is_left) == (first, (alice.aor, alice.epid), True)
    assert (found.open_to, found.waiting, found.entry) == (((bob.aor, bob.epid),), frozenset(), None)
    chat.all_answer()
    assert names(chat) == []
    assert alice.reports[first] == []


def test_what_is_left_is_renewed_when_some_have_got_it() -> None:
    """And who has refused it is named."""
    chat = Chat(SlowArchive())
    alice, bob, carol, dave = (there(chat, user) for user in ("alice", "bob", "carol", "dave"))
    number = number_of(alice.says("hello"))
    assert names(chat) == []
    for member, status in ((bob, 200), (carol, 415)):
        chat.pending(member.flow)[0].answers(status)
    chat.clock.advance(1)
    (found,) = read_left(FOCUS, list(chat.keeper.kept.values()))
    assert found.open_to == ((dave.aor, dave.epid),)
    assert [(device, why.status) for device, why in found.failures] == [((carol.aor, carol.epid), 415)]
    assert found.entry is not None
    assert found.entry.message_id.endswith(f"-{number}")
    kept = dict(chat.keeper.kept)
    chat.clock.advance(1)
    assert chat.keeper.kept == kept


def test_what_waits_is_left_with_the_device() -> None:
    """Until it is sent, or the device is gone."""
    chat = Chat(chat_window=1)
    alice, bob, carol = chat.joins("alice"), there(chat, "bob"), there(chat, "carol")
    for words in ("one", "two", "three"):
        alice.says(words)
    assert names(chat) == [f"waits {number} sip:{user} e1" for number in (2, 3) for user in ("bob", "carol")]
    two, three = (one for one in chat.keeper.kept.values() if one.owner == bob.aor)
    second, third = read_left(FOCUS, [three, two])
    assert (second.body, second.content_type, second.is_left) == (b"two", "text/plain; charset=UTF-8", False)
    assert second.sender == (alice.aor, alice.epid)
    assert second.waiting == frozenset([(bob.aor, bob.epid)])
    assert third.number == second.number + 1
    chat.pending(bob.flow)[0].answers(200)
    carol.leaves()
    assert names(chat) == ["waits 3 sip:bob e1"]


def test_an_abandoned_chat_says_nothing_more() -> None:
    """Another node goes on with what waits: sent from here, too, it would come twice."""
    archive = SlowArchive()
    chat = Chat(archive, chat_window=1)
    alice, bob = there(chat, "alice"), there(chat, "bob")
    alice.says("one")
    alice.says("two")
    archive.is_prompt = False
    third = alice.says("three")
    before = names(chat)
    chat.mcu.abandon(FOCUS)
    archive.catches_up()
    chat.all_answer()
    assert [one.status for one in third] == [503]
    assert bob.words == ["one"]
    assert names(chat) == before


def test_who_speaks_is_answered_when_all_copies_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many some leave in later turns; what has not left when another node goes on is not accepted."""
    monkeypatch.setattr("lyncpy.workloads.im.chat.PIECE_S", -1.0)
    chat = Chat()
    alice = chat.joins("alice")
    others = [chat.joins(user) for user in ("bob", "carol", "dave")]
    assert number_of(alice.says("one")) == 1
    assert [one.words for one in others] == [["one"]] * 3
    _ = chat.timers.later(0.0, lambda: chat.mcu.abandon(FOCUS))
    assert [one.status for one in alice.says("two")] == [503]
    assert [one.words for one in others] == [["one", "two"], ["one"], ["one"]]


def test_what_is_not_understood_is_passed_over() -> None:
    """Another version may say more, or otherwise."""
    chat = Chat(chat_window=1)
    alice, bob = there(chat, "alice"), there(chat, "bob")
    alice.says("one")
    alice.says("two")
    chat.clock.advance(1)
    said = chat.keeper.kept["said 1"]
    others = [
        replace(said, said={"what": "said"}),
        replace(said, said={"what": "more", "n": 5}),
        Deposit("", "", FlowName(""), "", {"kind": "chat"}, b""),
        *(replace(said, said={**said.said, "n": 6}, data=data) for data in (b"\xff", b"[]", b'{"open":[[]]}', b"{}")),
        replace(said, said={**said.said, "n": 6}, data=b'{"open":[],"failed":[["a","b","new",1,""]]}'),
    ]
    assert [one.number for one in read_left(FOCUS, [*chat.keeper.kept.values(), *others])] == [1, 2]
    assert bob.epid == epid_of("e1")


@pytest.mark.parametrize("status", [200, 481, 501])
def test_who_answers_anything_has_what_was_sent_before(status: int) -> None:
    """Unless it says that it has lost the dialog."""
    chat = Chat()
    alice, bob = there(chat, "alice"), there(chat, "bob")
    alice.says("one")
    chat.clock.advance(1)
    left = list(chat.keeper.kept.values())
    after = Chat()
    after.keeper.kept.update(chat.keeper.kept)
    alice, bob = there(after, "alice"), there(after, "bob")
    after.mcu.resume(FOCUS, 1_000_000, left)
    assert after.pending(method="MESSAGE") == []
    (asked,) = after.pending(method="OPTIONS")
    assert asked.flow == bob.flow
    asked.answers(status)
    after.turn()
    assert list(alice.reports) == [1]
    assert [address for address, _ in alice.reports[1]] == ([bob.aor] if status == 481 else [])
    assert names(after) == []
    assert number_of(alice.says("two")) == 1_000_001
    after.mcu.resume("sip:nobody", 0, left)
