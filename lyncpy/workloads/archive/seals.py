"""The seals of the chain's two ends: what only this server's key can make, and what does not fit."""

import secrets

from lyncpy.contracts.archive import ChainEnds, ChainPosition, IStamps
from lyncpy.workloads.archive import model
from lyncpy.workloads.archive.model import ChainPoint


class ChainTorn(Exception):
    """The end of the chain does not fit its stamp; an operator has to look at it."""


def is_ours(stamps: IStamps, name: str, mark: ChainPosition) -> bool:
    """Tell whether the server's key vouches for a mark."""
    stamp = stamps.stamp(model.stamped_text(name, mark.serial, mark.digest))
    return secrets.compare_digest(mark.stamp, stamp)


def tear_of(stamps: IStamps, ends: ChainEnds) -> str:
    """Explain how the ends do not fit, with the remedy; "" when they fit."""
    torn = [name for name, mark in (("start", ends.start), ("end", ends.end)) if not is_ours(stamps, name, mark)]
    if len(torn) == 2:
        return (
            f"the seals of the archive were not made with {stamps.key_named()}: bring back the key that belongs "
            "to this database and start again; if it is lost, `archive resume REASON` has the archive go on"
        )
    if torn:
        return (
            f"the seal of the archive's {torn[0]} was not made with {stamps.key_named()}, and that of its other end "
            "was: `archive verify` shows what is whole, `archive resume REASON` has the archive go on"
        )
    return model.tear_of(ends)


def sealed(stamps: IStamps, name: str, point: ChainPoint) -> ChainPosition:
    """Seal an end of the chain, "start" or "end"."""
    stamp = stamps.stamp(model.stamped_text(name, point.serial, point.digest))
    return ChainPosition(point.serial, point.digest, stamp)
