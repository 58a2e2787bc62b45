"""The clock of an LDAP server beside that of this machine, where it tells its own, as Active Directory does."""

from typing import Final

from lyncpy.contracts.finding import Finding

SKEW_S: Final = 60.0
"""Kerberos takes five minutes; what is more than this is no work of NTP."""


def compared(url: str, ahead_s: float) -> Finding:
    """Say whether two clocks are the same.

    Args:
        url: The server's.
        ahead_s: Seconds by which this machine's clock is ahead; below 0: behind.
    """
    if abs(ahead_s) <= SKEW_S:
        return Finding(good=True, sentence=f"the clock of this machine is that of {url}")
    how = "ahead of" if ahead_s > 0 else "behind"
    sentence = (
        f"the clock of this machine is {abs(ahead_s):.0f} s {how} that of {url}: let both follow the same time server"
    )
    return Finding(good=False, sentence=sentence)
