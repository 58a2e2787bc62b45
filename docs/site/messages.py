"""Every sentence that the log or a client can show, with its cause and what to do: gathered from the code.

What is wrong with the server itself says what to do in the code; of log lines and refusals `remedies.toml` does,
beside this file.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docs.site.source import VARIES, Diagnostic, LogEvent, Told, diagnostics, log_events, told

REMEDIES: Final = Path(__file__).with_name("remedies.toml")
WORDS: Final = re.compile(r"[a-z]{2,}[^…]* [a-z]{2,}")
"""What a sentence has of its own, if it can be looked for at all."""

SERIOUS: Final = ("warn", "error", "critical")


class Unexplained(Exception):
    """A sentence has no remedy; says which."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """Why some sentences are said, and what to do."""

    says: tuple[str, ...]
    """What they begin with."""

    why: str
    do: str


def remedies(file: Path = REMEDIES) -> Mapping[str, Sequence[Remedy]]:
    """Read what is written by hand: of the `log`, and of each `answer` to a client."""
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    return {kind: [Remedy(tuple(one["says"]), one["why"], one["do"]) for one in read[kind]] for kind in read}


def page() -> str:
    """Write the page.

    Raises:
        Unexplained: The log or a client can show a sentence of which nobody has said what to do.
    """
    written = remedies()
    events = list(log_events())
    lines = [
        "# Troubleshooting by message",
        "",
        "Look for the words that you see; what is in braces, or `…`, is of the moment. Each line of the log has a level and a room, "
        "each refusal an id in `ms-diagnostics`. About one person `why ADDRESS` is quicker; about the server `conditions`; "
        "before a start `lyncpy check`.",
        "",
        "## Warnings and errors in the log",
        "",
        *_explained(written["log"], [(one.text, _log_row(one)) for one in events if one.level in SERIOUS]),
        "## Faults of lyncpy",
        "",
        "With a traceback behind it. Whoever asked was answered with 500, or asks again; the server goes on. They are not right: "
        "please report them with the traceback.",
        "",
        *sorted({_log_row(one) for one in events if one.level == "failure"}),
        "",
        "## Conditions, and what `check`, `doctor` and `why` find",
        "",
        "Each says itself what to do, behind the arrow where that is a sentence of its own.",
        "",
        *sorted({_finding_row(one) for one in told() if WORDS.search(one.text)}),
        "",
        "## What clients are told",
        "",
        *_explained(written["answer"], [(f"{one.error_id} {one.reason}", _answer_row(one)) for one in diagnostics()]),
        "## Lines that need nothing",
        "",
        "They tell of the server's life (info), or why it did what it did (debug, which `log level` shows).",
        "",
        *sorted({_log_row(one) for one in events if one.level in ("info", "debug")}),
        "",
    ]
    return "\n".join(lines)


def _explained(written: Sequence[Remedy], sentences: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Write the rows of each remedy's sentences, and it behind them."""
    found = meant(written, [text for text, _ in sentences])
    rows: dict[Remedy, set[str]] = {one: set() for one in written}
    for text, row in sentences:
        rows[found[text]].add(row)
    for one in (one for one in written if rows[one]):
        yield from (*sorted(rows[one]), "", f"*Why:* {one.why}", "", f"*What to do:* {one.do}", "", "---", "")


def meant(written: Sequence[Remedy], sentences: Sequence[str]) -> Mapping[str, Remedy]:
    """Give the remedy of each sentence: that with the longest of its beginnings.

    Raises:
        Unexplained: One has none.
    """
    beginnings = {begin: one for one in written for begin in one.says}
    found: dict[str, Remedy] = {}
    for text in sentences:
        fitting = [begin for begin in beginnings if begins(text, begin)]
        if not fitting:
            raise Unexplained(f'docs/site/remedies.toml does not say what to do about "{text}"')
        found[text] = beginnings[max(fitting, key=len)]
    return found


def begins(text: str, begin: str) -> bool:
    """Tell whether a sentence begins with these words; what stands for the moment alone means itself alone."""
    if begin.endswith("}") and begin.startswith("{"):
        return text == begin
    return text.startswith(begin) and not (begin[-1].isdigit() and text[len(begin) :][:1].isdigit())


def _log_row(one: LogEvent) -> str:
    return f"- {_code(one.text)} ({one.level if one.level != 'failure' else 'critical'}, {one.room})"


def _answer_row(one: Diagnostic) -> str:
    status = f", {'/'.join(map(str, sorted(one.statuses)))}" if one.statuses else ""
    return f"- {one.error_id}: {_code(one.reason)} ({', '.join(sorted(one.rooms))}{status})"


def _finding_row(one: Told) -> str:
    return f"- {_code(one.text)}{f' → {_code(one.remedy)}' if one.remedy else ''} ({one.room})"


def _code(text: str) -> str:
    """Write a sentence so that nothing in it is markup."""
    text = " ".join(text.split()) or VARIES
    return f"`` {text} ``" if "`" in text else f"`{text}`"
