"""Settings of which each can be used, and which do not go together, or mean nobody: a server starts, and something never works."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from lyncpy.app.config import SECTIONS, Config
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.setting_forms import shares

FURTHER: Final[Mapping[str, str]] = {
    "admin.line_bytes": "admin.input_bytes",
    "contacts.extension_bytes": "contacts.list_bytes",
    "directory.answer_timeout_s": "directory.pull_timeout_s",
    "directory.entry_bytes": "directory.pull_bytes",
    "directory.interval_s": "directory.full_interval_s",
    "im.invite_silent_s": "im.ringing_s",
    "im.message_s": "limits.answer_timeout_s",
    "im.ringing_s": "limits.invite_timeout_s",
    "limits.connections_per_user": "sip.connections",
    "monitoring.report_bytes": "monitoring.report_bytes_per_user",
    "presence.gather_ms": "presence.limited_gather_ms",
    "presence.publication_bytes": "presence.board_bytes",
    "presence.resources_per_subscription": "presence.watchings_per_device",
    "registrar.keep_alive_s": "sip.idle_s",
    "sip.line_bytes": "sip.head_bytes",
    "sip.stranger_body_bytes": "sip.body_bytes",
    "store.statement_s": "limits.answer_timeout_s",
    "tracing.message_bytes": "tracing.bytes",
    "web.line_bytes": "web.head_bytes",
}
"""Setting → another one that may not be below it, where their names do not say so: what the first allows never happens then."""


def setting_findings(config: Config) -> Iterator[Finding]:
    """Look for settings that do not go together; only what is wrong is told."""
    for low, high in ordered():
        yield from _above(config, low, high)
    yield from _policies_of_nobody(config)


def ordered() -> Iterator[tuple[str, str]]:
    """Give each setting that may not be above another one, and that: "section.key" of both."""
    for name, section in SECTIONS.items():
        for low, high in shares(list(section.model_fields)):
            if FURTHER.get(f"{name}.{high}") != f"{name}.{low}":
                yield f"{name}.{low}", f"{name}.{high}"
    yield from FURTHER.items()


def _above(config: Config, low: str, high: str) -> Iterator[Finding]:
    """Tell of a setting that is above what bounds it, if somebody has set it so: a default gives way to a lower bound."""
    (section, key), (other, bound) = low.split("."), high.split(".")
    mine: BaseModel = getattr(config.sections, section)
    theirs: BaseModel = getattr(config.sections, other)
    value, most = getattr(mine, key), getattr(theirs, bound)
    if value > most and key in mine.model_fields_set:
        sentence = f"[{section}] {key} = {value:g} is above [{other}] {bound} = {most:g}, which counts before it comes to that: lower the one, or raise the other"
        yield Finding(good=False, sentence=sentence)


def _policies_of_nobody(config: Config) -> Iterator[Finding]:
    for policy, named in config.sections.policies.named.items():
        if not named.members:
            sentence = f"[policies.{policy}] members: it names nobody, so it is for nobody: name people or groups, or remove it"
            yield Finding(good=False, sentence=sentence)
