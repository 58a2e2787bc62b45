"""Who hears what of other servers: what is about one user, conference or server is heard by those who show it, and not by all."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

import lyncpy
from lyncpy.contracts.facts import KINDS
from tests.kit.trees import nodes_of

TOP: Final = Path(lyncpy.__file__).parent

KEYS: Final = {"aor", "flow", "node"}

BY_ALL: Final[Mapping[str, str]] = {
    "FlowClosed": "told within its process",
    "FlowDrained": "told within its process",
    "FlowSilent": "told within its process",
    "AccessChanged": "told within its process",
    "NodeLost": "told within its process",
    "PersonChanged": "each process knows all people, by whom addresses are resolved and found",
    "SecretChanged": "rare, and none may be missed: it ends what a former password has opened",
    "CertificatesRevoked": "rare, and none may be missed",
    "SignInFailed": "whoever has failed at one node may come to any other next",
    "SignInForgiven": "the same",
}
"""Kinds of facts about one thing that whoever listens hears of all, and why."""


def listenings() -> Iterator[tuple[str, str, int]]:
    """Find who listens: where, to which kind, and to how many interests it is narrowed."""
    for file in sorted((*TOP.glob("core/**/*.py"), *TOP.glob("workloads/**/*.py"), *TOP.glob("app/**/*.py"))):
        for node in nodes_of(file):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "listen"
                and len(node.args) >= 2
                and isinstance(node.args[0], ast.Name)
            ):
                yield f"{file.relative_to(TOP)}:{node.lineno}", node.args[0].id, len(node.args) - 2


def test_what_is_about_one_thing_is_heard_by_those_who_show_it() -> None:
    """A listener names whose news it wants, or its kind has a reason above."""
    about_one = {kind.__name__ for kind in KINDS if KEYS & {one.name for one in fields(kind)}}
    found = list(listenings())
    wide = [(where, kind) for where, kind, interests in found if kind in about_one - BY_ALL.keys() and not interests]
    assert wide == []
    assert {"EndpointGone", "ConferenceChanged", "NodeReported"} <= {kind for _, kind, interests in found if interests}
