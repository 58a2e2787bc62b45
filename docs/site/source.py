"""What the source says of itself: diagnostics and meters, read from its syntax trees.

Most meters and all diagnostics are made where they are needed, some of them only when something has
gone wrong. So no running server knows them all, and the source is read instead.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).resolve().parents[2]

VARIES: Final = "…"
"""Stands for what is known only at the moment: a number of seconds, what was wrong with a message."""

_WRITTEN: Final = re.compile(r'^(\d+);reason="([^"]+)"')
"""Diagnostics that are written out, as in reports of what was not delivered."""


class Unreadable(Exception):
    """The source says something in a way that the reference cannot read; the sentence names the line."""


@dataclass
class Diagnostic:
    """One id with one reason, and where it is said."""

    error_id: str
    reason: str
    public: bool
    statuses: set[int] = field(default_factory=set)
    rooms: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter as the source declares it; `name` may hold VARIES, `help` may be empty."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line that the log can have; what varies is in braces."""

    level: str
    """As the method of the logger is called: "failure" has a traceback."""

    room: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """Something that may be wrong with the server or a person, and what to do, "" where the sentence says that itself."""

    room: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Module:
    """One module of lyncpy, with what its names mean."""

    name: str
    path: Path
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    parents: Mapping[ast.AST, ast.AST]
    imported: Mapping[str, tuple[str, str]]
    """Name here → the module and the name there."""

    @property
    def room(self) -> str:
        """Give the room: `presence` for lyncpy.workloads.presence.routes, `core` for lyncpy.core.gate."""
        parts = self.name.split(".")
        return parts[2] if parts[1] == "workloads" else parts[1]


def modules() -> tuple[_Module, ...]:
    """Give every module of lyncpy; they are read once."""
    return _modules(TOP)


@cache
def _modules(top: Path) -> tuple[_Module, ...]:
    return tuple(_read(top))


def _read(top: Path) -> Iterator[_Module]:
    for path in sorted((top / "lyncpy").rglob("*.py")):
        name = ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
        if name == "lyncpy":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = tuple(ast.walk(tree))
        parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
        imported = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        yield _Module(name, path, tree, nodes, parents, imported)


def diagnostics() -> list[Diagnostic]:
    """Give all diagnostics that the server says, by id.

    Raises:
        Unreadable: An id that is no number in the source.
    """
    everything = modules()
    numbers = {(one.name, name): value for one in everything for name, value in _numbers(one.tree)}
    found: dict[tuple[str, str, bool], Diagnostic] = {}
    named: dict[tuple[str, str], Diagnostic] = {}
    for module in everything:
        for node in module.nodes:
            said = _said(module, node, numbers)
            if said is None:
                continue
            one = found.setdefault((said.error_id, said.reason, said.public), said)
            one.rooms.add(module.room)
            parent = module.parents[node]
            one.statuses.update(_status_beside(parent))
            for name in _names_of(parent):
                named[module.name, name] = one
    for module in everything:
        for node in module.nodes:
            if isinstance(node, ast.Call | ast.Tuple):
                elements = node.args if isinstance(node, ast.Call) else node.elts
                for element in elements[1:]:
                    one_named = named.get(_meant(module, element))
                    if one_named is not None:
                        one_named.statuses.update(_status_beside(node))
                        one_named.rooms.add(module.room)
    return sorted(found.values(), key=lambda one: (int(re.split(r"\D", one.error_id)[0]), one.error_id, one.reason))


def _numbers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Give the whole numbers that have a name in a module."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, int):
                yield from ((name, value) for name in _names_of(node))


def _names_of(node: ast.AST) -> list[str]:
    """Give the names that a statement gives to a value."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _said(module: _Module, node: ast.AST, numbers: Mapping[tuple[str, str], int]) -> Diagnostic | None:
    """Give the diagnostics that an expression makes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        written = _WRITTEN.match(node.value)
        return None if written is None else Diagnostic(written[1], written[2], public=False)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "Diagnostics":
        return None
    given = dict(zip(("error_id", "reason", "public"), node.args, strict=False))
    given |= {word.arg: word.value for word in node.keywords if word.arg}
    error_id = _number(module, given["error_id"], numbers)
    if not error_id[:1].isdigit():
        raise Unreadable(
            f"{module.path.relative_to(TOP)}:{node.lineno}: the id of Diagnostics must be a number there, or a constant"
        )
    public = given.get("public")
    is_public = isinstance(public, ast.Constant) and public.value is True
    return Diagnostic(error_id, _text(module, given["reason"]), is_public)


def _number(module: _Module, node: ast.expr, numbers: Mapping[tuple[str, str], int]) -> str:
    """Write a number as far as it is known: `4140`, `61000 + …`."""
    match node:
        case ast.Constant(value=int(value)):
            return str(value)
        case ast.Name():
            return str(numbers.get(_meant(module, node), VARIES))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [_number(module, left, numbers), _number(module, right, numbers)]
            return str(sum(map(int, parts))) if all(part.isdigit() for part in parts) else " + ".join(parts)
        case _:
            return VARIES


def _text(module: _Module, node: ast.expr) -> str:
    """Write a text as far as it is known."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else VARIES for part in values)
        case ast.Name(id=name):
            return next((_text(module, value) for value in _assigned(module, node, name)), VARIES)
        case _:
            return VARIES


def _assigned(module: _Module, node: ast.AST, name: str) -> Iterator[ast.expr]:
    """Give what a name was set to in the function around `node`."""
    around: ast.AST = node
    while not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
        around = module.parents[around]
    for one in ast.walk(around):
        if isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None and name in _names_of(one):
            yield one.value


def _meant(module: _Module, node: ast.AST) -> tuple[str, str]:
    """Give the module and the name that a name, or a name of an imported module, stands for."""
    if isinstance(node, ast.Name):
        return module.imported.get(node.id, (module.name, node.id))
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return ".".join(module.imported.get(node.value.id, ("", ""))), node.attr
    return "", ""


def _status_beside(node: ast.AST) -> Iterator[int]:
    """Give the SIP status that stands before diagnostics: `Refused(403, …)`, or `(403, …)` in a table."""
    elements = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
    if elements and isinstance(elements[0], ast.Constant) and isinstance(elements[0].value, int):
        yield elements[0].value


def meters() -> list[Meter]:
    """Give every meter that is declared; a name that is put together has VARIES in it."""
    found = [one for module in modules() for node in module.nodes for one in _declared(module, node)]
    return sorted(set(found), key=lambda one: one.name)


_BOUND: Final = re.compile(
    r"[a-z]+\.[a-z]+(_[a-z]+)+|[a-z]+\.(connections|conferences|meetings|running|challenges|handshakes|strangers|waiting)"
)
"""What a bound is called: "section.key" of a setting, or the room and what it is of."""

_BOUNDS: Final = frozenset({"Limit", "Shares", "HourlyQuota", "Throttle", "PlaceQueue", "PendingPerConnection"})
"""What keeps to a bound, and is told its name."""

OF_PLACE: Final = "_per_address"
"""Ends the name of a `PlaceQueue`'s share."""


def limits() -> list[str]:
    """Give the names of all bounds that have meters (`contracts/limit.py`), by the words of the modules that keep to them."""
    found = set[str]()
    for module in modules():
        calls = [node for node in module.nodes if isinstance(node, ast.Call) and _called(node) in _BOUNDS]
        if calls:
            words = {one.value for one in module.nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)}
            names = {word for word in words if _BOUND.fullmatch(word)}
            found |= names
            found |= {f"{name}{OF_PLACE}" for name in names if any(_called(one) == "PlaceQueue" for one in calls)}
    return sorted(found)


def _called(node: ast.Call) -> str:
    function = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    return function.id if isinstance(function, ast.Name) else ""


_MAKES_METER: Final[Mapping[str, str]] = {
    "counter": "counter",
    "total": "counter",
    "labelled_total": "counter",
    "gauge": "gauge",
    "labelled_gauge": "gauge",
    "histogram": "histogram",
}
"""The methods of `IMeter` → the kind of meter that they make."""


def _declared(module: _Module, node: ast.AST) -> Iterator[Meter]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return
    name = _text(module, node.args[0])
    if node.func.attr not in _MAKES_METER or not name.startswith("lyncpy_"):
        return
    text = _text(module, node.args[1]) if len(node.args) > 1 else ""
    labels = tuple(word.arg for word in node.keywords if word.arg)
    kind = _MAKES_METER[node.func.attr]
    if node.func.attr in ("labelled_gauge", "labelled_total") and len(node.args) > 2:
        labels = tuple(ast.literal_eval(node.args[2]))
    yield Meter(name, kind, text.replace(VARIES, ""), labels)


_LEVELS: Final = ("debug", "info", "warn", "error", "critical", "failure")


def log_events() -> Iterator[LogEvent]:
    """Give every line that is logged.

    Raises:
        Unreadable: One whose words are not in the call that logs it, nor in the function around that.
    """
    for module in modules():
        for node in module.nodes:
            match node:
                case ast.Call(func=ast.Attribute(attr=level, value=logger), args=[words, *_]) if level in _LEVELS:
                    if ast.unparse(logger).lower().rpartition(".")[2].lstrip("_") in ("log", "logger"):
                        for text in _texts(module, words):
                            yield LogEvent(level, module.room, text)


def _texts(module: _Module, node: ast.expr, depth: int = 3) -> Iterator[str]:
    """Give the texts that an expression may be, by what its names are set to around it, or in its module."""
    match node:
        case ast.IfExp(body=body, orelse=other):
            yield from (*_texts(module, body, depth), *_texts(module, other, depth))
        case ast.Name(id=name) if depth:
            values = list(_assigned(module, node, name)) or [
                one.value
                for one in module.tree.body
                if isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None and name in _names_of(one)
            ]
            yield from (text for value in values for text in _texts(module, value, depth - 1))
            if not values:
                yield VARIES
        case _:
            yield _text(module, node)


_TOLD: Final = {"Reason": ("concern", "finding", "good", "remedy"), "Finding": ("good", "sentence")}
"""What says that something is wrong, with the order of its values."""


def told() -> Iterator[Told]:
    """Give what conditions, `why`, `check` and `doctor` find wrong, as far as its words are in the source."""
    for module in modules():
        for node in module.nodes:
            match node:
                case ast.Call(func=ast.Name(id=name), args=args) if name in _TOLD:
                    given = dict(zip(_TOLD[name], args, strict=False))
                    given |= {word.arg: word.value for word in node.keywords if word.arg}
                    if _is_false(given.get("good")):
                        texts = _texts(module, given["finding" if name == "Reason" else "sentence"])
                        remedies = tuple(_texts(module, given.get("remedy", ast.Constant(""))))
                        # Which of several goes with which is not known here.
                        remedy = remedies[0] if len(remedies) == 1 else VARIES
                        yield from (Told(module.room, text, remedy) for text in texts if text.strip(f"{VARIES}: "))


def _is_false(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
