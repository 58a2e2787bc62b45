"""Under which addresses, and when, somebody is found in what was written down under the address of its time."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from lyncpy.contracts.names import aor_of, bare
from lyncpy.contracts.owners import IOwners, OwnerId, Span
from lyncpy.contracts.workload import CommandFailed, Flag
from lyncpy.core.timestamps import moment

R = TypeVar("R")

AS_WRITTEN: Final = "as-written"


def as_written(what: str) -> Flag:
    """Give the flag of a command that searches for the address alone; `what` is found, in a few words."""
    return Flag(AS_WRITTEN, f"{what} under the address, whoever had it")


def spans_of(owners: IOwners, text: str, *, written: bool) -> Sequence[Span]:
    """Give the addresses under which a person's records are found.

    Args:
        owners: Who has and had which address.
        text: An address, also one that they have no more, or the owner as `directory held` shows it.
        written: Only this address is meant, whoever had it.

    Raises:
        CommandFailed: Nobody has it or had it: what is not found under a mistyped name was said all the same.
    """
    aor = aor_of(text)
    if written:
        return (Span(aor),)
    # An owner is named by who looks for somebody whose address is another's by now.
    found: Sequence[Span] = owners.spans(owners.meant(aor) or OwnerId(text))
    if not found:
        raise CommandFailed(
            f'nobody is known as "{text[:80]}", or was; see: users; --{AS_WRITTEN} looks for the address, whoever had it'
        )
    return found


async def newest(
    spans: Sequence[Span], limit: int, find: Callable[[Span, int], Awaitable[Sequence[R]]], since: float = 0.0
) -> list[R]:
    """Give what is found of somebody, of the newest span first; where it has enough, the older ones have nothing newer.

    Args:
        spans: Theirs, oldest first.
        limit: So many are enough.
        find: Gives the newest so many of one span.
        since: Nothing from before is wanted.
    """
    found: list[R] = []
    for span in reversed(spans):
        if len(found) < limit and span.until > since:
            found += await find(replace(span, since=max(span.since, since)), limit)
    return found


def named(spans: Sequence[Span]) -> str:
    """Say under which addresses somebody was looked for, where that is not the one alone."""
    if all(span.since <= 0.0 for span in spans):
        return ""
    always = Span(spans[-1].aor).until
    begins = [f"{bare(one.aor)} from {moment(one.since)}" if one.since > 0.0 else bare(one.aor) for one in spans]
    ends = [f" until {moment(one.until)}" if one.until < always else "" for one in spans]
    return "; as " + ", ".join(map("".join, zip(begins, ends, strict=True)))
