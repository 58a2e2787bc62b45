"""The category `routing`: the rules of a user for calls to them, as clients publish them ([MS-SIPRE], routing)."""

import re
from typing import Final

from lyncpy.contracts.call_rules import PublishedRules
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, read_xml
from lyncpy.workloads.voice.model.call_rules import CallRules, RuleFlag, Target, target_of

LISTED_MOST: Final = 100
"""Targets of a list that count; a team has some dozen."""

_FLAGS: Final = {flag.value: flag for flag in RuleFlag}
_SECONDS: Final = re.compile(r"[0-9]{1,5}")
_BREAKTHROUGH: Final = "breakthrough"


def rules_of(published: PublishedRules, callers: frozenset[Target]) -> tuple[CallRules, bool]:
    """Give the rules that count for callers, and whether these reach the user in any case.

    A document that cannot be read says nothing.
    """
    breakthrough = read_rules(published.breakthrough)
    if callers & set(breakthrough.lists.get(_BREAKTHROUGH, ())):
        return breakthrough, True
    return read_rules(published.general), False


def read_rules(document: str) -> CallRules:
    """Read a document; what is not known in it is ignored. Elements are told by their local names, for there are two namespaces."""
    if not document:
        return CallRules()
    try:
        elements = list(read_xml(document.encode()).walk())
    except RemoteProtocolError:
        return CallRules()
    named = [(one, attr(one, "name") or "") for one in elements]
    words = [word for one, name in named if (one.local, name) == ("flags", "clientflags") for word in _words(one)]
    waits: dict[str, int] = {}
    for one, name in named:
        seconds = attr(one, "seconds") or ""
        if one.local == "wait" and name and _SECONDS.fullmatch(seconds):
            waits.setdefault(name, int(seconds))
    return CallRules(
        frozenset(_FLAGS[word] for word in words if word in _FLAGS),
        {name: _targets(one) for one, name in named if one.local == "list" and name},
        waits,
    )


def _words(flags: Element) -> list[str]:
    return (attr(flags, "value") or "").split()


def _targets(element: Element) -> tuple[Target, ...]:
    found = (target_of(attr(one, "uri") or "") for one in list(element)[:LISTED_MOST] if one.local == "target")
    return tuple(dict.fromkeys(one for one in found if one is not None))
