"""The shell's `settings`: every setting as it is in force, and where it comes from."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from lyncpy.app.config import SECTIONS, Config, toml
from lyncpy.app.log_levels import LogLevels
from lyncpy.contracts.answers import form
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, OperatorRole, ShellCommand, Table
from lyncpy.core.timestamps import moment

DEFAULT: Final = "default"
COMMAND_LINE: Final = "command line"
HIDDEN: Final = "(not shown)"
"""Of a setting in which somebody may have written a password, though it asks for a file or an address."""


class SettingsCommand:
    """Shows the settings.

    Args:
        config: With which this server was started.
        levels: Of the log, which an operator may have changed since.
    """

    def __init__(self, config: Config, levels: LogLevels) -> None:
        self._config = config
        self._levels = levels

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell's word."""
        part = Arg("part", 'a part of "[section] key"; all when left out', required=False)
        return (
            ShellCommand(
                "settings",
                "Every setting as it is in force since the start, and where it comes from.",
                self.shown,
                args=(part,),
                form=form("section setting value from"),
                role=OperatorRole.OPERATOR,
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """List settings in the order of lyncpy.toml.

        Raises:
            CommandFailed: None is called so.
        """
        part = asked.args.get("part", "")
        rows = [row for row in self._rows() if part in f"[{row[0]}] {row[1]}"]
        if not rows:
            raise CommandFailed(f'no setting is called like "{part[:80]}"')
        return Table(("section", "setting", "value", "from"), rows)

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        for name in SECTIONS:
            section: BaseModel = getattr(self._config.sections, name)
            for key, field in type(section).model_fields.items():
                value = getattr(section, key)
                if (name, key) == ("log", "level"):
                    yield from self._log_levels(self._source(section, name, key))
                    continue
                yield name, key, _told(value, hides=not field.repr), self._source(section, name, key)
            # Tables of free names, as [policies.NAME].
            for key, value in (section.model_extra or {}).items():
                yield name, key, _told(value, hides=False), self._source(section, name, key)

    def _log_levels(self, usual: str) -> Iterator[tuple[str, str, str, str]]:
        """Give the level of the log, and those of its rooms that have another one."""
        for room, level, by, until in self._levels.rows():
            is_chosen = room in self._levels.chosen
            end = "the next start" if until is None else moment(until)
            key = f"level of {room}" if room else "level"
            yield "log", key, _told(level, hides=False), f"log level, by {by}, until {end}" if is_chosen else usual

    def _source(self, section: BaseModel, name: str, key: str) -> str:
        if f"{name}.{key}" in self._config.overridden:
            return COMMAND_LINE
        is_set = key in section.model_fields_set or key in (section.model_extra or {})
        return self._config.file.name if is_set else DEFAULT


def _told(value: object, *, hides: bool) -> str:
    if hides and value:
        return HIDDEN
    if value is None:
        return ""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    return toml(value) if not isinstance(value, Mapping) or value else "{}"
