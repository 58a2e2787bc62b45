"""What is keyed by users can be split by that key: no table, no statement and no fact needs those of two parts at once."""

import re
from dataclasses import fields

import pytest
from sqlalchemy import ClauseElement
from sqlalchemy.dialects import postgresql

from lyncpy.backends.nats.encoding import ABOUT_MANY, SHARE_LETTERS, fact_subject, key_subject, share_of, share_pattern
from lyncpy.backends.sql.fence import HELD
from lyncpy.backends.sql.statements import RecordStatements, both_read, both_replaced, of_durable, of_volatile
from lyncpy.backends.sql.tables import metadata, volatile
from lyncpy.contracts.facts import KINDS, BoardChanged, Fact

SPLIT_BY = {
    "records": "key",
    "volatile_records": "key",
    "homes": "key",
    "journals": "journal",
    "sessions": "session_id",
    "conferences": "instance",
    "conference_sessions": "instance",
    "focus_joins": "instance",
    "mcu_joins": "instance",
    "conference_messages": "instance",
    "archive": "conversation",
    "archive_people": "conversation",
}
"""The column whose value says in which part a row is: an owner, an address, a conference, a session, a conversation."""

OF_EACH_PART = {"floors", "volatile_floors", "archive_marks"}
"""Tables that each part has for itself: where versions of its new keys begin, and the ends of its chain."""

OF_ALL = {"nodes", "audit"}
"""Small ones that are about the deployment, and are in one place: who is there, and what operators did."""

TOLD_TO_ALL = {"AddressesChanged", "GroupsChanged", "PoliciesChanged", "NodeReported", "SignInFailed", "SignInForgiven"}
"""Facts that are about nobody in particular, or whom every node has to count: few, and heard by every node."""

DIALECT = postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap


def test_every_table_has_a_column_that_splits_it() -> None:
    """And rows are found by it: it is in the primary key, or an index begins with it."""
    tables = {table.name: table for table in (*metadata.sorted_tables, *volatile.sorted_tables)}
    assert tables.keys() == SPLIT_BY.keys() | OF_EACH_PART | OF_ALL
    for name, column in SPLIT_BY.items():
        table = tables[name]
        firsts = {next(iter(index.columns)).name for index in table.indexes}
        assert column in {one.name for one in table.primary_key.columns} | firsts, name


def said_of(said: RecordStatements) -> dict[str, ClauseElement]:
    """Give what is said all the time."""
    return {
        "read": said.read,
        "replace": said.replace,
        "replace fenced": said.replace_fenced,
        "create": said.create(),
        "create fenced": said.create(fenced=True),
        "remove": said.remove,
        "remove fenced": said.remove_fenced,
    }


DURABLE, VOLATILE = of_durable("postgresql"), of_volatile("postgresql")
SAID = {
    **{f"durable {name}": one for name, one in said_of(DURABLE).items()},
    **{f"volatile {name}": one for name, one in said_of(VOLATILE).items()},
    "both read": both_read(DURABLE, VOLATILE),
    "both": both_replaced(DURABLE, VOLATILE, fenced=True),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_all_the_time_is_about_one_key(name: str) -> None:
    """It compares the key with one value, and looks at no other table than those that each part has, and at the node's own lease."""
    compiled = SAID[name].compile(dialect=DIALECT)
    text = str(compiled)
    assert set(re.findall(r"\b(?:FROM|UPDATE|INTO|JOIN) (?!SET\b|held\b|durably\b|volatilely\b|\()(\w+)", text)) <= {
        "records",
        "volatile_records",
        "floors",
        "volatile_floors",
        "nodes",
    }
    assert {one for one in compiled.params if "key" in one} == {"of_key"}
    assert "nodes" not in text or str(HELD.compile(dialect=DIALECT)).partition("FROM nodes")[1] in text


def one_of(kind: type[Fact]) -> Fact:
    """Make a fact that says whom it is about, if it says that, and nothing else."""
    fact = object.__new__(kind)
    for name in {field.name for field in fields(kind)} & {"aor", "flow"}:
        object.__setattr__(fact, name, "somebody@example.com")
    return fact


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_fact_about_somebody_is_told_on_a_subject_of_their_share(kind: type[Fact]) -> None:
    """One of 1,024, so that a bus can be split into as many; a new fact without one has to be told to all on purpose."""
    subject = fact_subject("lyncpy", one_of(kind))
    assert subject.endswith(f".{kind.__name__}.{ABOUT_MANY}") == (kind.__name__ in TOLD_TO_ALL)
    if kind.__name__ not in TOLD_TO_ALL:
        assert re.fullmatch(rf"lyncpy\.fact\.{kind.__name__}\.[a-z2-7]{{{SHARE_LETTERS}}}\.[a-z2-7]+", subject)


def test_shares_are_of_like_size() -> None:
    """Of 100,000 people each of the 1,024 shares has some, and none twice as many as it should."""
    shares: dict[str, int] = {}
    for number in range(100_000):
        key = f"user{number}@example.com"
        share = share_of(key)
        shares[share] = shares.get(share, 0) + 1
        if number < 10:
            pattern = share_pattern("lyncpy", BoardChanged, share).removesuffix("*")
            assert key_subject("lyncpy", BoardChanged, key).startswith(pattern)
    assert len(shares) == 1_024
    assert max(shares.values()) < 2 * 100_000 / 1_024
