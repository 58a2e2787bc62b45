"""The chain, as docs/archive.md promises it."""

import json
from hashlib import sha256

import pytest

from lyncpy.contracts.archive import ChainEnds, ChainPosition, ConversationEvent, EntryKind, LedgerLine
from lyncpy.contracts.owners import Span
from lyncpy.workloads.archive import model
from lyncpy.workloads.archive.model import ChainBroken, ChainPoint, ConversationIndex
from tests.kit.vault import ALICE, BOB, CAROL, NOON, said

ORIGIN = ChainPoint(0, b"\x01" * 32)


def test_an_entry_is_written_as_the_documentation_says() -> None:
    """The digest is SHA-256 of head, line feed and body; the head names what was said, and the digest before it."""
    line = model.link(ORIGIN, said("höre", at=NOON + 0.25, message_id="m"))
    assert line.head == (
        '{"form":1,"serial":1,"previous":"' + "01" * 32 + '","at":"2026-07-20T12:00:00.250000Z","kind":"message",'
        '"conversation":"talk","conference":false,"sender":"sip:alice@example.com",'
        '"recipients":["sip:bob@example.com"],"message_id":"m","content_type":"text/plain; charset=UTF-8"}'
    )
    assert line.digest == sha256(line.head.encode("ascii") + b"\n" + "höre".encode()).digest()
    assert (line.serial, line.at, line.kind, line.conversation) == (1, NOON + 0.25, "message", "talk")


@pytest.mark.parametrize(
    "one",
    [
        said(b"\0\xff\r\n\n"),
        said("", kind=EntryKind.JOINED, recipients=(), conference=True, content_type="", message_id=""),
        said(conversation='a"b\\\n\udcff\0', sender="sip:\udc80@x", at=0.000001),
        said(recipients=(BOB, CAROL), at=NOON + 1 / 3),
    ],
)
def test_what_was_kept_is_read_back_exactly(one: ConversationEvent) -> None:
    """Any bytes, also such as XML, JSON or a database would not have; times to the microsecond."""
    entry = model.follow(ORIGIN, model.link(ORIGIN, one))
    assert (entry.serial, entry.previous) == (1, ORIGIN.digest)
    assert abs(entry.said.at - one.at) < 1e-6
    assert entry.said._replace(at=one.at) == one


def test_each_kind_of_damage_has_its_words() -> None:
    """Missing, changed, another's place, another's past, another's index, and no head at all."""
    first = model.link(ORIGIN, said("one"))
    second = model.link(ChainPoint(1, first.digest), said("two"))
    at_first = ChainPoint(1, first.digest)

    def words(after: ChainPoint, line: LedgerLine) -> str:
        with pytest.raises(ChainBroken) as caught:
            model.follow(after, line)
        return caught.value.wrong

    assert words(ORIGIN, second) == "is missing; the next one that is there is 2"
    assert words(at_first, second._replace(body=b"2")).startswith("was changed: its digest")
    assert words(ORIGIN, second._replace(serial=1)) == "is another: it calls itself 2"
    assert words(ChainPoint(1, b"\x02" * 32), second).startswith("does not follow")
    for column in ({"kind": "left"}, {"conversation": "x"}, {"at": NOON + 1}):
        assert words(at_first, second._replace(**column)).startswith("was changed: the columns")
    for head in ("", "[]", "{}", '{"form":1}', second.head.replace('"sip:alice@example.com"', "5"), "[" * 9999):
        broken = second._replace(head=head, digest=model.digest_of(head, second.body))
        assert words(at_first, broken) == "its head cannot be read"


def test_points_are_noted_as_serial_and_digest() -> None:
    """As people copy them; anything else is no point."""
    point = ChainPoint(12, bytes(range(32)))
    assert model.point_of(str(point)) == point
    for text in ("", "12", "12:", "x:" + "00" * 32, "1:" + "00" * 31, "-1:" + "00" * 32, "1:" + "zz" * 32):
        with pytest.raises(ValueError, match=r".*"):
            model.point_of(text)


def test_the_index_has_everybody_who_took_part() -> None:
    """Speaker and hearers, each once; nobody where the archive itself speaks."""
    assert model.places(said(recipients=(BOB, CAROL, ALICE))) == {(who, "talk") for who in (ALICE, BOB, CAROL)}
    assert model.places(said(sender="", recipients=())) == frozenset()
    assert model.takes_part(said(), [Span(BOB)])
    assert not model.takes_part(said(), [Span(CAROL)])
    assert model.takes_part(said(at=NOON), [Span(CAROL), Span(BOB, NOON, NOON + 1)])
    assert not model.takes_part(said(at=NOON), [Span(BOB, 0.0, NOON), Span(BOB, NOON + 1)])


def test_index_names_are_what_every_database_can_hold() -> None:
    """ChainBroken bytes are replaced, long names are cut."""
    assert model.name_of("Müller") == "Müller"
    assert model.name_of("a\0b\udcff") == "a\ufffdb\ufffd"
    assert model.name_of("x" * 5000) == "x" * model.NAME_CHARS


def test_only_whole_beginnings_are_over() -> None:
    """An entry dated into the future keeps what is behind it."""
    lines = [model.link(ORIGIN, said(at=at)) for at in (1.0, 2.0, 9.0, 3.0)]
    assert [line.at for line in model.over(lines, 5.0)] == [1.0, 2.0]
    assert model.over(lines[:2], 5.0) == lines[:2]
    assert model.over(lines, 1.0) == []


def ends(start: int, end: int, last: int) -> ChainEnds:
    """Give the ends of a chain."""
    return ChainEnds(ChainPosition(start, b"s", b""), ChainPosition(end, b"e", b""), last)


def test_a_chain_whose_lines_do_not_reach_its_ends_is_torn() -> None:
    """Too many, too few, none; purged to the last entry is whole."""
    assert model.tear_of(ends(0, 0, 0)) == model.tear_of(ends(5, 5, 0)) == model.tear_of(ends(2, 5, 5)) == ""
    assert model.tear_of(ends(0, 5, 6)) == "entries up to 6 are there, but 5 was sealed as the last"
    assert model.tear_of(ends(0, 5, 3)) == "entry 5 was sealed as the last, but none is behind 3"
    assert model.tear_of(ends(0, 5, 0)) == "entry 5 was sealed as the last, but there is none at all"
    assert model.next_of(ends(0, 5, 3)) == ChainPoint(5, b"e")
    assert model.next_of(ends(0, 5, 8)) == ChainPoint(8, b"e")


def test_known_places_cost_nothing() -> None:
    """Who is in the index of a conversation is asked once; of too many conversations the oldest is forgotten."""
    places = ConversationIndex(2)
    one, two, three = (said(conversation=name) for name in "abc")
    assert places.fresh(one) == {(ALICE, "a"), (BOB, "a")}
    places.add_entry(one)
    assert places.fresh(one) == frozenset()
    assert places.fresh(said(conversation="a", recipients=(CAROL,))) == {(CAROL, "a")}
    places.add_entry(two)
    places.add_entry(one)
    places.add_entry(three)
    assert [bool(places.fresh(each)) for each in (one, two, three)] == [False, True, False]
    places.clear()
    assert places.fresh(one)


def test_a_head_is_one_line_of_ascii() -> None:
    """However strange the names are, so that anybody can hash it again."""
    head = model.link(ORIGIN, said(conversation="\u2028\n\r", sender="sip:ü@x")).head
    assert head.isascii() and head.isprintable()
    assert json.loads(head)["conversation"] == "\u2028\n\r"


@pytest.mark.untraced
def test_the_texts_that_heads_share_take_no_more_than_they_may() -> None:
    """Whatever senders choose: the type of what they write, the name of a conversation, or how many they speak to."""
    texts = model.HEAD_TEXTS
    people = tuple(f"sip:{number:03}{'x' * 200}@example.com" for number in range(249))
    for number in range(4_000):
        long = f"{number:05}{'a' * 60_000}"
        which = number % 3
        one = said(
            conversation=long if which == 0 else f"c{number}",
            content_type=f"text/plain; x={long}" if which == 1 else "text/plain",
            recipients=tuple(f"{number}{person}" for person in people) if which == 2 else people[:1],
        )
        assert model.read(*model.chain(ORIGIN, [one])).said.content_type == one.content_type
    held = sum(
        len(conversation) + len(content_type) + len(sender) + sum(map(len, recipients)) + sum(map(len, made))
        for (conversation, _, sender, recipients, _, content_type), made in texts.items()
    )
    assert 0 < held <= texts.bytes_used <= texts.bytes_most
    assert all(len(key[0]) + len(key[5]) <= model.KEPT_CHARS for key in texts)


def test_a_conversation_with_a_hostile_name_is_not_remembered() -> None:
    """Its people are put in the index with each entry, where they are already: a Call-ID may be as long as a message."""
    places = ConversationIndex(2)
    long, usual = said(conversation="x" * (model.NAME_CHARS + 1)), said(conversation="x" * model.NAME_CHARS)
    places.add_entry(long)
    places.add_entry(usual)
    assert [bool(places.fresh(one)) for one in (long, usual)] == [True, False]
