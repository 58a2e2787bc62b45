"""Two people write to each other first in the same moment, and go on."""

import pytest

from tests.kit.stage import Stage
from tests.kit.texters import fates, loose, write


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0, 1.9])
def test_after_a_crossing_both_write_on(stage: Stage, gap: float) -> None:
    """Many more texts in both directions; when both are gone, no session is left behind."""
    alice, bob = write(stage, (loose(), loose()), [(0, gap), (1, 5.0), *[(0, 1.0), (1, 1.0)] * 10])
    assert set(fates(alice, bob).values()) == {"shown"}
    assert sum(one.messages_failed for one in stage.sessions()) == 0
    for texter in (alice, bob):
        texter.actor.is_cut_off()
    stage.passes(1)
    assert stage.tables()["sessions"] == 0
