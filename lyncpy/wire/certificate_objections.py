"""Whether a certificate that has come may take the place of the one in use, without anybody being asked. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from lyncpy.wire.certificate import CheckedCredentials, is_for_servers

NAMED_MOST: Final = 5
"""Names that a sentence lists."""


def objections(
    fresh: CheckedCredentials, present: CheckedCredentials, asked: Sequence[str], now: datetime
) -> Iterator[str]:
    """Say in what a certificate is worse for clients than the one in use; one that has ended is worse than any.

    Args:
        fresh: Which has come; it can be used.
        present: Which is in use.
        asked: The names that clients connect to.
        now: The wall clock.
    """
    if now > present.first_to_end.not_valid_after_utc:
        return
    lost = [host for host in asked if present.covers(host) and not fresh.covers(host)]
    if lost:
        more = f" and {len(lost) - NAMED_MOST} more" if len(lost) > NAMED_MOST else ""
        yield f"it is not for {', '.join(lost[:NAMED_MOST])}{more}, which the one in use is for"
    if _is_for_servers(present) and not _is_for_servers(fresh):
        yield "it is not meant for servers (extended key usage serverAuth)"
    end, others = (one.first_to_end.not_valid_after_utc for one in (fresh, present))
    if end < others and fresh.ending(now):
        yield f"with its issuers it ends on {end:%Y-%m-%d %H:%M} UTC, before the one in use"
    strange = fresh.strange_issuers()
    if strange and not present.strange_issuers():
        yield f"{strange[0]} stands behind it as its issuer, and has not signed it"
    stray = fresh.stray_issuers()
    if stray and not present.stray_issuers():
        yield stray[0]
    if present.chain and not fresh.chain and fresh.certificate.issuer != fresh.certificate.subject:
        yield "the certificates of its issuers are missing, which the one in use has"


def _is_for_servers(credentials: CheckedCredentials) -> bool:
    return all(is_for_servers(one.certificate) for one in (credentials, *credentials.also))
