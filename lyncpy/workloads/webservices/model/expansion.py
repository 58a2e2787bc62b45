"""Group expansion: which group is meant, and what a user is told of who is in it. Pure.

Spec: [MS-DLX] 3.1.4.1.4.1 has the states. Groups in a group are told as groups, and each is asked about by itself (Lync 2013 SDK,
*Distribution groups*); so no answer is larger than one group.
"""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.addresses import LONGEST
from lyncpy.contracts.directory import Group, IGroups, Person

_MAIL: Final = re.compile(r"[^\s@<>]+@[^\s@<>]+")


class ResponseState(enum.StrEnum):
    """What became of a request. The specification's `SimultaneousRequestLimitExceeded` is never so: each is answered at once."""

    INVALID = "Invalid"
    SUCCESS = "Success"
    MEMBER_COUNT_LIMIT_EXCEEDED = "MemberCountLimitExceeded"
    NOT_AUTHORIZED = "NotAuthorized"
    NOT_FOUND = "NotFound"


@dataclass(frozen=True, slots=True)
class Expansion:
    """What is told of a group: with SUCCESS who and which groups it names itself, by name."""

    state: ResponseState
    people: Sequence[Person] = ()
    groups: Sequence[Group] = ()


def expansion(groups: IGroups, mail: str, most: int) -> Expansion:
    """Give what is told of the group with an address.

    Args:
        groups: All that there are.
        mail: Its address, as a client has it, also with `mailto:` or `sip:`.
        most: Members that a group may name and be told; they are counted as the directory has them.
    """
    address = re.sub(r"(?i)\A(mailto|sip):", "", mail.strip())
    if len(address) > LONGEST or not _MAIL.fullmatch(address):
        return Expansion(ResponseState.INVALID)
    group = groups.by_mail(address)
    # Who may not find a group by searching is not told either that there is one.
    if group is None or group.hidden:
        return Expansion(ResponseState.NOT_FOUND)
    if group.is_closed:
        return Expansion(ResponseState.NOT_AUTHORIZED)
    if len(group.members) > most:
        return Expansion(ResponseState.MEMBER_COUNT_LIMIT_EXCEEDED)
    return Expansion(ResponseState.SUCCESS, *groups.listed(group))
