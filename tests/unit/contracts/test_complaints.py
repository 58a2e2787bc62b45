"""What happens all the time is told once in a while, and counted each time."""

from twisted.internet.task import Clock

from lyncpy.contracts.complaints import COMPLAINTS_S, Complaint
from lyncpy.core.timers import Timers


def test_a_line_is_due_once_in_a_while_and_says_how_often_it_happened() -> None:
    """The first at once; later ones count what came between."""
    clock = Clock()
    complaint = Complaint(Timers(clock, lambda: 0.0))
    assert [complaint.happened() for _ in range(3)] == [1, 0, 0]
    clock.advance(COMPLAINTS_S - 1)
    assert complaint.happened(5) == 0
    clock.advance(1)
    assert complaint.happened() == 8
    assert complaint.total == 9
