"""The archive for all inputs: whatever is done to what was stored is found."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.archive import ChainPosition, ConversationEvent, EntryKind, LedgerLine
from lyncpy.contracts.names import Aor
from lyncpy.workloads.archive import model
from lyncpy.workloads.archive.bodies import ArchivedText, Mail, json_line, plain_text
from tests.kit.vault import NOON, Vault

TEXT = st.text(st.characters(max_codepoint=0x10FFFF), max_size=8)  # with lone surrogates
NAMES = st.builds(Aor, TEXT)
SAID = st.builds(
    ConversationEvent,
    at=st.floats(0, 4e9),
    conversation=TEXT,
    # The archive's own kinds are written by itself alone: an entry that says RESUMED changes how a chain is read.
    kind=st.sampled_from([kind for kind in EntryKind if kind not in (EntryKind.LOST, EntryKind.RESUMED)]),
    sender=NAMES,
    recipients=st.lists(NAMES, max_size=3).map(tuple),
    message_id=TEXT,
    content_type=st.sampled_from(
        [
            "",
            "text/plain",
            "text/html; charset=latin-1",
            "text/plain; charset=rot13",
            "multipart/alternative; boundary=x",
        ]
    )
    | TEXT,
    body=st.binary(max_size=40),
    conference=st.booleans(),
)
ENTRIES = st.lists(SAID, min_size=1, max_size=6)


def kept(entries: list[ConversationEvent]) -> Vault:
    """Keep entries."""
    vault = Vault()
    vault.keep(*entries)
    return vault


@given(ENTRIES)
def test_whatever_was_said_is_kept_exactly_and_verifies(entries: list[ConversationEvent]) -> None:
    """Bytes, broken text and all; times to the microsecond."""
    vault = kept(entries)
    assert vault.verify().broken is None
    back = [model.read(vault.ledger.lines[serial]).said for serial in sorted(vault.ledger.lines)]
    assert [one._replace(at=0.0) for one in back] == [one._replace(at=0.0) for one in entries]
    assert all(abs(one.at - two.at) <= 1e-6 for one, two in zip(back, entries, strict=True))


@given(ENTRIES)
def test_what_is_written_together_is_written_as_one_after_the_other(entries: list[ConversationEvent]) -> None:
    """Whatever heads share is written once, and is the same."""
    begin = model.ChainPoint(7, b"\x01" * 32)
    point, lines = begin, []
    for one in [*entries, *entries]:
        lines.append(model.link(point, one))
        point = model.ChainPoint(lines[-1].serial, lines[-1].digest)
    assert model.chain(begin, [*entries, *entries]) == lines


@given(ENTRIES, st.data())
def test_any_single_change_of_what_is_stored_is_found(entries: list[ConversationEvent], data: st.DataObject) -> None:
    """Removed, altered in any column, swapped, doubled, cut off: and no entry behind it is blamed but the next."""
    vault = kept(entries)
    lines = vault.ledger.lines
    serial = data.draw(st.integers(1, len(entries)))
    match data.draw(st.sampled_from(["remove", "alter", "swap", "cut", "append", "unlist"])):
        case "remove":
            del lines[serial]
        case "alter":
            lines[serial] = data.draw(altered(lines[serial]))
        case "swap":
            other = data.draw(st.integers(1, len(entries)))
            if other == serial:
                return
            lines[serial], lines[other] = lines[other]._replace(serial=serial), lines[serial]._replace(serial=other)
            serial = min(serial, other)
        case "cut":
            for later in range(serial, len(entries) + 1):
                del lines[later]
        case "append":
            serial = len(entries) + 1
            lines[serial] = lines[serial - 1]._replace(serial=serial)
        case "unlist":
            places = model.places(entries[serial - 1])
            if not places:
                return
            gone = data.draw(st.sampled_from(sorted(places)))
            vault.ledger.places.discard(gone)
            serial = next(n for n, one in enumerate(entries, 1) if gone in model.places(one))
    broken = vault.verify().broken
    assert broken is not None
    assert serial <= broken <= serial + 1


@given(ENTRIES, st.data())
def test_a_chain_that_was_rewritten_without_the_key_is_found(
    entries: list[ConversationEvent], data: st.DataObject
) -> None:
    """Also when every digest fits: the ends are sealed."""
    vault = kept(entries)
    ledger = vault.ledger
    assert ledger.start is not None
    assert ledger.end is not None
    serial = data.draw(st.integers(1, len(entries)))
    before = ledger.lines[serial - 1].digest if serial > 1 else ledger.start.digest
    point = model.ChainPoint(serial - 1, before)
    for number, one in enumerate(entries[serial - 1 :], serial):
        line = model.link(point, one._replace(body=b"forged" if number == serial else one.body))
        ledger.lines[number] = line
        point = model.ChainPoint(line.serial, line.digest)
    if entries[serial - 1].body == b"forged":
        return
    ledger.end = ChainPosition(point.serial, point.digest, ledger.end.stamp)
    assert vault.verify().broken == len(entries)


@given(SAID, st.integers(0, 2**40), st.binary(min_size=32, max_size=32))
def test_a_head_is_what_any_writer_of_json_makes_of_it(one: ConversationEvent, serial: int, digest: bytes) -> None:
    """Whatever is in its texts: it is read and written again to the same bytes, in this order of its names."""
    line = model.link(model.ChainPoint(serial, digest), one)
    assert json.dumps(json.loads(line.head), separators=(",", ":")) == line.head
    assert " ".join(json.loads(line.head)) == (
        "form serial previous at kind conversation conference sender recipients message_id content_type"
    )


@given(SAID)
def test_whatever_was_said_can_be_read_and_exported(one: ConversationEvent) -> None:
    """Hostile text gives a mail and a line of JSON, never an error; no header comes out of it."""
    line = model.link(model.ChainPoint(0, b"x" * 32), one)
    assert isinstance(plain_text(one), str)
    assert json_line(ArchivedText(line, one)).count(b"\n") == 1
    mail = Mail()
    mail.add(ArchivedText(line, one))
    head = b"".join(mail.pieces()).split(b"\r\n\r\n", 1)[0]
    names = [field.split(b":")[0] for field in head.split(b"\r\n") if not field.startswith((b" ", b"\t"))]
    assert len(names) == len(set(names)) == 9


def altered(line: LedgerLine) -> st.SearchStrategy[LedgerLine]:
    """Give the line with another value in one of its columns."""
    values: dict[str, st.SearchStrategy[Any]] = {
        "at": st.floats(0, 4e9).filter(lambda at: abs(at - line.at) > 1e-5),
        "kind": TEXT,
        "conversation": TEXT,
        "head": TEXT | st.just(line.head.replace("1", "2")),
        "body": st.binary(max_size=40),
        "digest": st.binary(min_size=32, max_size=32),
    }
    assert set(values) == set(type(line).__annotations__) - {"serial"}
    changed = st.sampled_from(sorted(values)).flatmap(
        lambda name: values[name].map(lambda new: line._replace(**{name: new}))
    )
    return changed.filter(lambda one: one != line)


def test_the_wall_clock_is_of_today() -> None:
    """What the kit calls noon is a moment that the form can write."""
    assert model.link(model.ChainPoint(0, b""), ConversationEvent(NOON, "", EntryKind.MESSAGE, Aor(""), ())).at == NOON
