"""The times on a board where clocks are set, or differ: what is older stays so, and nothing lives for longer. Pure."""

from lyncpy.workloads.presence.model.absences import carried, each
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import Instance


def carry(board: Board, by_s: float) -> Board:
    """Move the times on a board by the seconds by which the wall clock was set: lifetimes and ages stay what they were.

    Which state of two is newer, and how long a publication still lives, must not change because
    the host's clock was set. A calendar entry begins and ends by everybody's clock, and so
    stays as it is; so does the time of the last activity, which was told to others.

    Args:
        board: The board.
        by_s: Seconds by which the clock was set; negative: back.
    """
    moved = {key: one.carried(by_s) for key, one in board.instances.items()}
    # Who is told what does not change by that: the containers stay the same mapping.
    return board.having(instances=moved, absences=carried(board.absences, by_s))


def not_ahead(board: Board, now: float) -> Board:
    """Give a stored board on which nothing is from the future: it was written before the clock was set back, or by another's.

    The newest counts as of now. What is ahead, too, is as much older as before, and no older than what is not: that stays
    as it is, for clocks that differ must not make it older each time that the one server writes and the other reads.

    Args:
        board: The board.
        now: Wall-clock seconds.
    """
    times = [one.published for one in board.instances.values()]
    ahead_s = max(times, default=now) - now
    if ahead_s <= 0:
        return board
    newest = max((at for at in times if at <= now), default=min(times) - ahead_s)

    def moved(one: Instance) -> Instance:
        return one if one.published <= now else one.carried(max(-ahead_s, newest - one.published))

    instances = {key: moved(one) for key, one in board.instances.items()}
    return board.having(instances=instances, absences=each(board.absences, moved))
