"""Every regular expression of lyncpy, and inputs that make a careless one slow.

Patterns are found, not listed: a new one is tried without anybody thinking of it.
"""

import ast
import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import lyncpy
from tests.kit.costs import grows, stays_small
from tests.kit.trees import nodes_of

METHODS: Final = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer", "subn")

WALKS: Final = ("finditer", "findall", "split", "sub", "subn")
"""Those that go through a whole text, all in the same steps, of which the first is what `search` does."""

Attack = tuple[Any, Any, Any]  # Any: text or bytes
"""What stands before, what is repeated, and what comes at the end so that nothing fits."""


@dataclass(frozen=True)
class Found:
    """A pattern, where it stands, and how it is applied."""

    where: str
    pattern: re.Pattern[Any]  # Any: of text or bytes
    methods: tuple[str, ...]


def all_patterns(package: ModuleType = lyncpy) -> list[Found]:
    """Give every pattern that a module of a package compiles, or hands to `re` where it is used."""
    (folder,) = map(Path, package.__path__)
    # These run by themselves, and cannot be imported; a pattern has no business there.
    paths = [path for path in sorted(folder.rglob("*.py")) if not {"migrations", "program"} & set(path.parts)]
    modules = {_module(path, folder): nodes_of(path) for path in paths}
    kept: dict[int, tuple[str, re.Pattern[Any]]] = {}
    for name, nodes in modules.items():
        if not any(isinstance(node, ast.Name) and node.id == "re" for node in nodes):
            continue
        for variable, value in vars(importlib.import_module(name)).items():
            if isinstance(value, re.Pattern):
                kept.setdefault(id(value), (f"{name}.{variable}", value))
    used: dict[int, set[str]] = {}
    direct = [found for name, nodes in modules.items() for found in _uses(name, nodes, used)]
    compiled = [Found(where, pattern, tuple(used.get(key) or METHODS)) for key, (where, pattern) in kept.items()]
    return compiled + direct


def _module(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _uses(name: str, nodes: Sequence[ast.AST], used: dict[int, set[str]]) -> Iterator[Found]:
    """Note how patterns of a module are applied, and give those that have no name."""
    names = vars(importlib.import_module(name)) if any(_calls(nodes)) else {}
    for call, of in _calls(nodes):
        assert isinstance(call.func, ast.Attribute)
        value = names.get(of)
        if of == "re":
            yield from _unnamed(name, call)
        elif isinstance(value, re.Pattern):
            used.setdefault(id(value), set()).add(call.func.attr)
    passed = (node for node in nodes if isinstance(node, ast.Call))
    for call in passed:
        for argument in call.args:
            value = names.get(argument.id) if isinstance(argument, ast.Name) else None
            if isinstance(value, re.Pattern):
                used.setdefault(id(value), set()).update(METHODS)


def _calls(nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.Call, str]]:
    for node in nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            yield node, node.func.value.id


def _unnamed(name: str, call: ast.Call) -> Iterator[Found]:
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr not in METHODS:
        return
    where = f"{name}:{call.lineno}"
    first = call.args[0]
    assert isinstance(first, ast.Constant), f"{where}: a pattern that is made up while the server runs cannot be judged"
    yield Found(where, re.compile(first.value), (call.func.attr,))


def slow(found: Found) -> str | None:
    """Give an input on which a pattern costs more than in proportion; None when none was found.

    Attacks with the same repetition are made together: where all of them cost little, each does.
    """
    for method in _unlike(found.methods):
        apply = _application(found.pattern, method)
        for attacks in _attacks(found.pattern):
            if stays_small(partial(_all_works, apply, attacks)):
                continue
            for attack in attacks:
                if grows(partial(_work, apply, attack)):
                    return f"{found.where}.{method} on {attack!r}"
    return None


def _unlike(methods: Sequence[str]) -> list[str]:
    """Give one method for all those that do the same: who walks through a text has searched it."""
    walks = [one for one in WALKS if one in methods][:1]
    return walks + [one for one in methods if one not in WALKS and not (walks and one == "search")]


def _application(pattern: re.Pattern[Any], method: str) -> Callable[[Any], object]:  # Any: of text or bytes
    call, nothing = getattr(pattern, method), pattern.pattern[:0]
    if method in ("sub", "subn"):
        return lambda text: call(nothing, text)
    if method == "finditer":
        return lambda text: sum(1 for _ in call(text))
    return lambda text: call(text)


def _work(apply: Callable[[Any], object], attack: Attack, size: int) -> Callable[[], object]:
    text = _text(attack, size)
    return lambda: apply(text)


def _all_works(apply: Callable[[Any], object], attacks: Sequence[Attack], size: int) -> Callable[[], object]:
    texts = [_text(attack, size) for attack in attacks]

    def work() -> None:
        for text in texts:
            apply(text)

    return work


def _text(attack: Attack, size: int) -> Any:  # Any: text or bytes
    before, repeated, after = attack
    return before + repeated * (size // len(repeated)) + after


def _attacks(pattern: re.Pattern[Any]) -> Iterator[list[Attack]]:
    """Give attacks, those with the same repetition together."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    samples = list(dict.fromkeys(_samples(text)))
    letters = list(dict.fromkeys(character for character in text + 'a0 "\n' if character not in "()[]{}|^$"))[:16]
    repeated = [*samples, *letters, *(one + other for one in letters[:8] for other in letters[:8] if one != other)]
    befores = dict.fromkeys(["", *samples[:5]])
    for each in dict.fromkeys(filter(None, repeated)):
        attacks = [(before, each, after) for before in befores for after in ("", "\x00", "!")]
        if isinstance(pattern.pattern, str):
            yield attacks
        else:
            yield [(b.encode("latin-1"), e.encode("latin-1"), a.encode("latin-1")) for b, e, a in attacks]


def _samples(text: str) -> Iterator[str]:
    """Give beginnings of what the pattern fits, up to and including each of its parts."""
    tree = re._parser.parse(text)  # type: ignore[attr-defined]  # the one way to know a pattern's parts
    for least in (0, 1):
        done = ""
        for node in tree:
            done += _sample([node], least)
            yield done
            yield _sample([node], least)


def _sample(nodes: Any, least: int) -> str:  # Any: the parser's lists
    """Give a text that fits; what may be missing is there `least` times."""
    parts = []
    for op, argument in nodes:
        word = str(op)
        if word == "LITERAL":
            parts.append(chr(argument))
        elif word == "NOT_LITERAL":
            parts.append("b" if argument == ord("a") else "a")
        elif word == "ANY":
            parts.append("a")
        elif word == "IN":
            parts.append(_member(argument))
        elif word in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            parts.append(_sample(argument[2], least) * max(least, min(argument[0], 3)))
        elif word == "SUBPATTERN":
            parts.append(_sample(argument[3], least))
        elif word == "BRANCH":
            parts.append(_sample(argument[1][0], least))
        elif word == "ATOMIC_GROUP":
            parts.append(_sample(argument, least))
    return "".join(parts)


def _member(members: Any) -> str:  # Any: the parser's lists
    negated = str(members[0][0]) == "NEGATE"
    tester = {"LITERAL": lambda a, c: c == a, "RANGE": lambda a, c: a[0] <= c <= a[1]}
    for character in map(ord, 'a0 "\t;=.-_\\,<>/:@%&#!x'):
        inside = any(
            tester[str(op)](argument, character) if str(op) in tester else _in_category(str(argument), chr(character))
            for op, argument in members
            if str(op) != "NEGATE"
        )
        if inside != negated:
            return chr(character)
    op, argument = members[-1]
    return chr(argument[0] if str(op) == "RANGE" else argument)


def _in_category(name: str, character: str) -> bool:
    tests = {
        "DIGIT": character.isdigit(),
        "SPACE": character.isspace(),
        "WORD": character.isalnum() or character == "_",
    }
    fits = tests[name.rpartition("_")[2]]
    return not fits if "NOT" in name else fits
