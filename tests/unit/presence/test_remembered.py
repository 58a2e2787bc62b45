"""What is remembered of what users publish takes no more memory than it may, however large and many it is."""

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.workloads.presence.bodies.categories import write_list
from lyncpy.workloads.presence.bodies.publications import read_publish
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.states import Activity, Aggregate
from lyncpy.workloads.presence.model.tables import Expire, Instance, InstanceKey
from lyncpy.workloads.presence.model.values import write_value
from lyncpy.workloads.presence.roaming import OwnCategories
from tests.kit.presence import publication, publish_body, state

ALICE = Aor("sip:alice@contoso.test")
LARGE = 200_000
TABLE_BYTES = 1_000_000
"""A block so large is no entry: it is Python's own table of all interned text of the process, which grows now and then by far more."""


def _in_a_list(number: int) -> None:
    write_list(ALICE, {f"sip:u{number}@contoso.test": b"<c>%d%s</c>" % (number, b"x" * LARGE)})


def _as_an_aggregate(number: int) -> None:
    said = Activity("away", custom=(("1033", f"{number}" + "x" * (LARGE // 4)),))
    write_value(Instance(InstanceKey("state", 1, 2), 1, Expire.USER, Aggregate(6500, said), 0.0))


def _of_many_words(number: int) -> str:
    return state("userState", number, inner=f"<activity>{'<custom/>' * 190}</activity>")


def _published(number: int) -> None:
    read_publish(publish_body(ALICE, publication("state", 1, 2, _of_many_words(number))))


OWN = OwnCategories()


def _told(number: int) -> None:
    note = Instance(InstanceKey("note", 0, 2), 1, Expire.USER, f"<note>{number}{'x' * LARGE}</note>", 0.0)
    OWN.write(replace(Board(Aor(f"sip:u{number}@contoso.test")), instances={note.key: note}), {"note"})


@pytest.mark.untraced
@pytest.mark.parametrize(
    ("publish", "most"), [(_in_a_list, 18e6), (_as_an_aggregate, 6e6), (_published, 9e6), (_told, 18e6)]
)
def test_what_is_remembered_is_bounded_in_bytes(publish: Callable[[int], None], most: float) -> None:
    """By few who are large as by many who are small."""
    publish(0)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, 1_001):
            publish(number)
        gc.collect()
        kept = [block.size for block in tracemalloc.take_snapshot().traces if block.size < TABLE_BYTES]
    finally:
        tracemalloc.stop()
    assert sum(kept) < most
