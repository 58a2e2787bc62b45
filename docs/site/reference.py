"""The pages of the documentation that are made from the code: what is not in the code is not in them."""

import argparse
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from twisted.internet.testing import MemoryReactorClock

from docs.site import messages
from docs.site.source import TOP, VARIES, Meter, diagnostics, limits, meters
from lyncpy.app.assembly import ServerParts, inside
from lyncpy.app.backends import backends, node_name
from lyncpy.app.cli import command_line
from lyncpy.app.config import SECTIONS, check, toml
from lyncpy.app.limits import elsewhere
from lyncpy.app.tables import bounds, shown, when_full
from lyncpy.app.tap import Options
from lyncpy.backends.sealing import write_key
from lyncpy.contracts.answers import Form
from lyncpy.contracts.workload import ShellCommand
from lyncpy.core.timers import Timers
from lyncpy.workloads.admin.parser import EVERYWHERE, Vocabulary, written
from lyncpy.workloads.admin.parser import usage as use

PAGES: Final = (
    "reference/settings.md",
    "reference/commands.md",
    "reference/command-line.md",
    "reference/meters.md",
    "reference/diagnostics.md",
    "troubleshooting.md",
    "code.md",
)
"""One with links to the API reference stands at the top: MyST wants it there."""

COLUMNS: Final = "96"

_SAMPLE: Final = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? ")


def pages() -> dict[str, str]:
    """Write every page of PAGES; its name → Markdown."""
    with TemporaryDirectory() as folder:
        house, text = built(Path(folder))
        made = (
            settings_page(),
            commands_page(words(house)),
            command_line_page(command_line(), Options()),
            meters_page(all_meters(text)),
            diagnostics_page(),
            messages.page(),
            code_page(),
        )
        return dict(zip(PAGES, made, strict=True))


def built(folder: Path) -> tuple[ServerParts, str]:
    """Build a server that is never opened; give it, and its meters as OpenMetrics text."""
    config = check(folder / "lyncpy.toml", {"sip": {"domain": "example.com"}})
    write_key(config.path(config.sections.store.key_file))
    reactor = MemoryReactorClock()
    timers = Timers(reactor, lambda: 0.0)
    node = node_name()
    back = backends(config, node, timers, reactor)
    return inside(config, node, back, timers, reactor, reload=_nothing), back.meters().decode()


async def _nothing() -> tuple[str, ...]:
    """Nothing is reloaded here."""
    return ()


def words(house: ServerParts) -> Vocabulary:
    """Give every command of the shell."""
    return next(unit for unit in house.units if unit.name == "admin").words()  # type: ignore[no-any-return, attr-defined]  # units promise a life only


# --- settings


def settings_page() -> str:
    """Write every setting, by section."""
    lines = [
        "# Settings",
        "",
        "What `lyncpy.toml` may hold. A key that is not here is refused at the start, with the nearest one that is. "
        "`etc/lyncpy.toml` in the source is the same as a file to begin with, and `lyncpy settings` prints it. "
        "Relative paths start from the folder of the file.",
        "",
    ]
    for section, model in SECTIONS.items():
        lines += [f"## [{section}]", "", *_paragraph(model), ""]
        for name, setting in model.model_fields.items():
            lines += [f"({section}.{name})=", f"### {name}", "", " ".join((setting.description or "").split()), ""]
            lines += [f"{kind(setting)}. {default(setting)}", ""]
        example: Sequence[str] = getattr(model, "EXAMPLE", ())
        if example:
            lines += ["```toml", *map(_remarked, example[1:]), "```", "", example[0], ""]
    return "\n".join(lines)


def _remarked(line: str) -> str:
    """Put the sign of a remark in front of a sentence within an example; what is TOML stays."""
    return f"# {line}" if line[:1].isupper() else line


def _paragraph(model: type[BaseModel]) -> list[str]:
    """Give the first line of what a section says of itself."""
    return [(model.__doc__ or "").split("\n", 1)[0]]


def default(setting: FieldInfo) -> str:
    """Say what counts where a setting is not given."""
    if setting.is_required():
        return "It must be set."
    value = setting.get_default(call_default_factory=True)
    return "It is not set by default." if value is None else f"Default: `{toml(value)}`."


def kind(setting: FieldInfo) -> str:
    """Say which values a setting may have: "A whole number from 0 to 65535"."""
    bounds = list(setting.metadata)
    return f"{_kind(setting.annotation, bounds)}{_bounds(bounds)}"


def _kind(annotation: Any, bounds: list[object]) -> str:  # Any: what pydantic says of a type
    if get_origin(annotation) is Literal:
        return "One of " + ", ".join(f"`{toml(value)}`" for value in get_args(annotation))
    if get_origin(annotation) is not None and type(None) in get_args(annotation):
        (inner,) = (one for one in get_args(annotation) if one is not type(None))
        return _kind(inner, bounds)
    if hasattr(annotation, "__metadata__"):
        bounds += annotation.__metadata__
        return _kind(get_args(annotation)[0], bounds)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "A table"
    return _KINDS[get_origin(annotation) or annotation]


_KINDS: Final[Mapping[object, str]] = {
    bool: "True or false",
    int: "A whole number",
    float: "A number",
    str: "A text",
    tuple: "A list",
    dict: "A table",
    Mapping: "A table",
}


def _bounds(metadata: Sequence[Any]) -> str:  # Any: annotated_types' values
    """Write the bounds: " from 1 to 10", " above 0", ", at most 253 long"."""
    found: dict[str, Any] = {}
    for one in metadata:
        found |= {name: getattr(one, name) for name in ("ge", "gt", "le", "lt", "max_length") if hasattr(one, name)}
    parts = [f" from {found['ge']}" if "ge" in found else "", f" above {found['gt']}" if "gt" in found else ""]
    parts += [f" to {found['le']}" if "le" in found else "", f" below {found['lt']}" if "lt" in found else ""]
    return "".join([*parts, f", at most {found['max_length']} long" if "max_length" in found else ""])


# --- commands


def commands_page(vocabulary: Vocabulary) -> str:
    """Write every command of the shell."""
    flags = "; ".join(f"`{written(flag)}`: {flag.help}" for flag in EVERYWHERE)
    lines = [
        "# Shell commands",
        "",
        "What an operator may ask for and do while the server runs; how to reach the shell is told in "
        "[shell.md](../shell.md). A role may do what the ones before it may: viewer, operator, developer. "
        f"Every command takes {flags}.",
        "",
    ]
    for command in vocabulary.all_commands():
        lines += [f"## {command.name}", "", "```text", use(command), "```", "", command.help, ""]
        lines += [*_parts(command), f"Role: {command.role.name.lower()}.", "", *_answer(command.form)]
    return "\n".join(lines)


def _parts(command: ShellCommand) -> list[str]:
    """List what a command takes."""
    parts = [f"- `{arg.name.upper()}`: {arg.help}" for arg in command.args]
    parts += [f"- `{written(flag)}`: {flag.help}" for flag in command.flags]
    return [*parts, ""] if parts else []


def _answer(form: Form) -> list[str]:
    """Tell what a command answers with --json."""
    named = [("`rows`", form.rows), ("`facts`", form.facts)]
    parts = [
        f"{where}: {', '.join(f'`{one.name}` ({one.words})' for one in fields)}" for where, fields in named if fields
    ]
    parts += [f"`counts`: {', '.join(f'`{one}`' for one in form.counts)}"] if form.counts else []
    more = " Rooms add further facts." if form.has_more else ""
    return [f"JSON: {'; '.join(parts)}.{more}", ""] if parts else []


# --- the command line


def command_line_page(parser: argparse.ArgumentParser, options: Options) -> str:
    """Write the help of `lyncpy`, `twistd lyncpy` and the scripts."""
    lines = ["# Command line", ""]
    for name, text in helps(parser):
        lines += [f"## {name}", "", "```text", text, "```", ""]
    options.synopsis = f"twistd [options of twistd] lyncpy {type(options).synopsis}"
    text = options.getUsage(int(COLUMNS)).strip()
    lines += ["## twistd lyncpy", "", "```text", text, "```", ""]
    for script in sorted((TOP / "scripts").iterdir()):
        if script.is_file() and os.access(script, os.X_OK):
            lines += [f"## scripts/{script.name}", "", "```text", script_help(script), "```", ""]
    return "\n".join(lines)


def helps(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Give each command with its help, those below others behind them."""
    os.environ["COLUMNS"] = COLUMNS
    yield parser.prog, parser.format_help().strip()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from helps(below)


def script_help(script: Path) -> str:
    """Give what a script says of itself at its start."""
    text = script.read_text(encoding="utf-8")
    if "python" in text.partition("\n")[0]:
        return inspect.cleandoc(text.split('"""')[1])
    lines = text.splitlines()[1:]
    end = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:end]).strip()


# --- meters


def all_meters(text: str) -> list[Meter]:
    """Give every meter: those that a server has from its start, and those that appear with their first use.

    Raises:
        ValueError: A meter whose name is put together and that the server does not have at its start.
    """
    declared = meters()
    present = {one.name: one for one in of_server(text)}
    for one in declared:
        if VARIES not in one.name:
            known = present.get(one.name)
            present[one.name] = Meter(one.name, one.kind, (known.help if known else "") or one.help, one.labels)
        elif not any(re.fullmatch(re.escape(one.name).replace(VARIES, r"\w+"), name) for name in present):
            raise ValueError(f"no meter is called like {one.name} when a server is built")
    return sorted(present.values(), key=lambda one: one.name)


def of_server(text: str) -> Iterator[Meter]:
    """Read the meters from OpenMetrics text."""
    for family in text.split("# HELP ")[1:]:
        head, _, rest = family.partition("\n")
        name, _, help_ = head.partition(" ")
        kind = rest.partition("\n")[0].rpartition(" ")[2]
        sample = next((one for line in rest.splitlines()[1:] if (one := _SAMPLE.match(line))), None)
        labels = re.findall(r"(\w+)=", (sample["labels"] if sample else "") or "")
        labels = [one for one in labels if one != "le"]
        yield Meter(f"{name}_total" if kind == "counter" else name, kind, help_, tuple(labels))


def meters_page(found: Sequence[Meter]) -> str:
    """Write every meter as a table."""
    lines = [
        "# Meters",
        "",
        "What the server counts (a counter only grows, from its start) and measures (a gauge is as it is now; a histogram "
        "counts how many values were at most so large). The shell's `meters` shows them, and Prometheus reads them from "
        "`/metrics`; the names are those of OpenMetrics.",
        "",
        "| Meter | Kind | Labels | What |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {_cell(one.help)} |"
        for one in found
    ]
    lines += [
        "",
        "## Tables",
        "",
        "Each table, queue and buffer of the server is a value of the label `table` of `lyncpy_app_table_entries_count` and its "
        "like, once there is one. Where its bound is one number, `lyncpy_app_table_bound_count` has it.",
        "",
        "| Table | Bound | When it is full |",
        "|---|---|---|",
    ]
    lines += [f"| `{shown(name)}` | {_cell(words)} | {when_full(name)} |" for name, words in sorted(bounds().items())]
    lines += [
        "",
        "## Bounds",
        "",
        "Each rate, share, throttle and quota that is no table is a value of the label `limit` of `lyncpy_app_limit_used_count` and "
        "its like; of a setting it is its name. Some are there once something that is set has begun, as LDAP or Kerberos.",
        "",
        *(f"- `{name}`" for name in limits()),
        "",
        "All other settings that are numbers, and where each is seen:",
        "",
        "| Setting | Seen |",
        "|---|---|",
        *(f"| `{name}` | {_cell(words)} |" for name, words in sorted(elsewhere().items())),
    ]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# --- diagnostics


def diagnostics_page() -> str:
    """Write every id and reason that the server gives with a refusal, or with the end of something."""
    lines = [
        "# Diagnostics",
        "",
        "Each refusal says why in `ms-diagnostics` ([MS-OCER] 2.2.1): an id that clients know, a reason that they "
        "show or log, and the server as `source`. Where the column says *public*, the header is "
        "`ms-diagnostics-public`. An id of 61000 and the status is said of a failure that [MS-OCER] has no number "
        f"for. `{VARIES}` stands for words of the moment, as the part of a message that cannot be read.",
        "",
        "| Id | Reason | Status | Header | Said by |",
        "|---|---|---|---|---|",
    ]
    for one in diagnostics():
        statuses = ", ".join(map(str, sorted(one.statuses)))
        public = "public" if one.public else ""
        lines.append(
            f"| {one.error_id} | {_cell(one.reason)} | {statuses} | {public} | {', '.join(sorted(one.rooms))} |"
        )
    return "\n".join([*lines, ""])


# --- code


def code_page() -> str:
    """Write the list of rooms, each with its sentence and where its API reference is."""
    lines = [
        "# Code",
        "",
        "The rooms of the house from the ground up; [architecture.md](architecture.md) is their map. "
        "The [API reference](inv:api#lyncpy) shows all of it.",
        "",
        "| Package | What is in it |",
        "|---|---|",
    ]
    lines += [f"| [`{name}`](inv:api#{name}) | {_cell(sentence)} |" for name, sentence in packages()]
    return "\n".join([*lines, ""])


def packages() -> Iterator[tuple[str, str]]:
    """Give every package of lyncpy, those on which others stand first, with the first paragraph of its docstring."""
    floors = ["sip", "media", "contracts", "core", "auth", "backends", "wire", "workloads", "app"]
    found = [path.parent.relative_to(TOP) for path in (TOP / "lyncpy").rglob("__init__.py")]
    for path in sorted(found, key=lambda one: ([floors.index(floor) for floor in one.parts[1:2]], one.parts)):
        name = ".".join(path.parts)
        if name != "lyncpy":
            yield name, " ".join((import_module(name).__doc__ or "").split("\n\n")[0].split())
