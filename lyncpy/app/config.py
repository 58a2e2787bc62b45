"""lyncpy.toml → settings; an error names file, section, key and what to do."""

import difflib
import json
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lyncpy.app.pool_settings import Settings as PoolSettings
from lyncpy.app.settings import Settings as LogSettings
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.backends.media_settings import Settings as MediaSettings
from lyncpy.backends.nats.settings import Settings as BusSettings
from lyncpy.backends.settings import Settings as StoreSettings
from lyncpy.contracts.listening import ListeningPlace
from lyncpy.contracts.regular_file import read_regular
from lyncpy.contracts.setting_forms import KINDS, disorder
from lyncpy.contracts.toml_text import TomlUnusable, read_toml
from lyncpy.core.settings import Settings as LimitsSettings
from lyncpy.wire.settings import Settings as SipSettings
from lyncpy.workloads.admin.settings import Settings as AdminSettings
from lyncpy.workloads.archive.settings import Settings as ArchiveSettings
from lyncpy.workloads.conferencing.settings import Settings as ConferencingSettings
from lyncpy.workloads.contacts.settings import Settings as ContactsSettings
from lyncpy.workloads.directory.policy_settings import PoliciesSettings
from lyncpy.workloads.directory.settings import DirectorySource, places_of
from lyncpy.workloads.directory.settings import Settings as DirectorySettings
from lyncpy.workloads.im.settings import Settings as ImSettings
from lyncpy.workloads.monitoring.settings import Settings as MonitoringSettings
from lyncpy.workloads.presence.settings import Settings as PresenceSettings
from lyncpy.workloads.provisioning.settings import Settings as ProvisioningSettings
from lyncpy.workloads.registrar.settings import Settings as RegistrarSettings
from lyncpy.workloads.tracing.settings import Settings as TracingSettings
from lyncpy.workloads.voice.settings import Settings as VoiceSettings
from lyncpy.workloads.web.settings import Settings as WebSettings
from lyncpy.workloads.webservices.settings import Settings as WebServicesSettings

HTTPS_PORT: Final = 443
"""The port that an address of the web does not have to name."""


_SEVERAL: Final = "directories"
"""Where further tables of [[directory]] are kept; nobody writes it."""


class Sections(BaseModel):
    """The sections of lyncpy.toml; each is the `Settings` of the room with its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sip: SipSettings
    auth: AuthSettings = AuthSettings()
    limits: LimitsSettings = LimitsSettings()
    store: StoreSettings = StoreSettings()
    bus: BusSettings = BusSettings()
    pool: PoolSettings = PoolSettings()
    directory: DirectorySettings = DirectorySettings()
    directories: tuple[DirectorySource, ...] = ()
    """What stands in further tables of [[directory]]."""

    policies: PoliciesSettings = PoliciesSettings()
    registrar: RegistrarSettings = RegistrarSettings()
    presence: PresenceSettings = PresenceSettings()
    contacts: ContactsSettings = ContactsSettings()
    im: ImSettings = ImSettings()
    provisioning: ProvisioningSettings = ProvisioningSettings()
    conferencing: ConferencingSettings = ConferencingSettings()
    web: WebSettings = WebSettings()
    webservices: WebServicesSettings = WebServicesSettings()
    voice: VoiceSettings = VoiceSettings()
    media: MediaSettings = MediaSettings()
    archive: ArchiveSettings = ArchiveSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    tracing: TracingSettings = TracingSettings()
    admin: AdminSettings = AdminSettings()
    log: LogSettings = LogSettings()


SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    name: field.annotation
    for name, field in Sections.model_fields.items()
    if name != _SEVERAL and isinstance(field.annotation, type)
}


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, checked."""

    file: Path
    sections: Sections
    overridden: frozenset[str] = frozenset()
    """What the command line has set, as "section.key"."""

    @property
    def home(self) -> Path:
        """Give the folder that relative paths in the file start from."""
        return self.file.parent

    @property
    def directories(self) -> tuple[DirectorySource, ...]:
        """Give all directories, in the order in which an address is theirs that several name."""
        return (self.sections.directory, *self.sections.directories)

    def source(self, name: str) -> str:
        """Say where somebody has written a setting, "section.key": in the file, or on the command line."""
        return f"--set {name}" if name in self.overridden else str(self.file)

    @property
    def people_from(self) -> str:
        """Name all directories, for an operator."""
        return places_of(self.directories).text

    @property
    def is_site_chosen(self) -> bool:
        """Whether somebody has said at which port the site is, or that there is none."""
        return "https_port" in self.sections.web.model_fields_set

    @property
    def https_port(self) -> int:
        """Give the port of the site; 0: there is none. Where nobody chose one it is open if there is a certificate."""
        has_certificate = self.is_site_chosen or self.path(self.sections.sip.certificate).exists()
        return self.sections.web.https_port if has_certificate else 0

    @property
    def site(self) -> str:
        """Give the address of the site as clients reach it, without a slash at its end; "" when there is none."""
        web = self.sections.web
        if not self.https_port:
            return ""
        port = "" if self.https_port == HTTPS_PORT else f":{self.https_port}"
        return web.url or f"https://{self.sections.sip.server_name}{port}"

    @property
    def places(self) -> tuple[ListeningPlace, ...]:
        """Give all ports at which a server listens."""
        web = self.sections.web.places if self.https_port else ()
        return (*self.sections.sip.places, *web, *self.sections.admin.places)

    def path(self, text: str) -> Path:
        """Give the file that a setting names."""
        return self.home / text


class ConfigError(Exception):
    """The configuration cannot be used; each line is a sentence with file, section, key and remedy."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def load(file: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration file and apply `section.key=value` overrides to it.

    Raises:
        ConfigError: With every fault that was found, not only the first.
    """
    try:
        document = read_toml(read_regular(file))
    except FileNotFoundError:
        raise ConfigError([f"{file}: there is no such file; make one with: lyncpy init {file.parent}"]) from None
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"]) from None
    except TomlUnusable as error:
        raise ConfigError([f"{file}: {error}"]) from None
    return check(file.absolute(), with_overrides(document, overrides), _named(overrides))


def _named(overrides: Sequence[str]) -> frozenset[str]:
    """Give what the command line has set, as "section.key"."""
    return frozenset(".".join(one.partition("=")[0].strip().split(".")[:2]) for one in overrides)


def check(file: Path, document: Mapping[str, object], overridden: Collection[str] = ()) -> Config:
    """Check a document that was read from `file`; what is wrong with a setting of the command line is said of that.

    Raises:
        ConfigError: As `load`.
    """
    if _SEVERAL in document:
        raise ConfigError([_unknown(f"{file}: [{_SEVERAL}]", _SEVERAL, "")])
    document = _with_several(file, document)
    try:
        # By way of JSON: there pydantic's strict mode takes an array for a tuple and 5 for 5.0, as TOML's readers expect.
        sections = Sections.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise ConfigError([_sentence(_source(file, one, overridden), one) for one in _told(error.errors())]) from None
    config = Config(file, sections, frozenset(overridden))
    disordered = [
        f"{file}: [{name}] {told}" for name in SECTIONS if (told := disorder(getattr(sections, name).model_dump()))
    ]
    if disordered:
        raise ConfigError(disordered)
    names = [one.name for one in config.directories]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError([f'{file}: [[directory]] name: "{twice[0]}" is that of two; give each one of its own'])
    _check_processes(config)
    return config


def _check_processes(config: Config) -> None:
    """Refuse several processes that would know nothing of each other."""
    sections = config.sections
    count = sections.pool.processes
    missing = ['[store] url = "postgresql://…"'] if sections.store.is_sqlite else []
    missing += ['[bus] url = "nats://…"'] if sections.bus.is_memory else []
    if count > 1 and missing:
        needs = f"{count} processes need a PostgreSQL database and NATS, over which they work together"
        raise ConfigError(
            [
                f"{config.source('pool.processes')}: [pool] processes: {needs}: set {' and '.join(missing)}, or leave it at 1"
            ]
        )


def _with_several(file: Path, document: Mapping[str, object]) -> Mapping[str, object]:
    """Give the first of several tables of [[directory]] its section, and the others one of their own."""
    tables = document.get("directory")
    if not isinstance(tables, list):
        return document
    if not tables or not all(isinstance(one, dict) for one in tables):
        raise ConfigError([f"{file}: directory: write each as a table that begins with [[directory]]"])
    return {**document, "directory": tables[0], _SEVERAL: tables[1:]}


def with_overrides(document: Mapping[str, object], overrides: Sequence[str]) -> dict[str, object]:
    """Give the document with each `section.key=value` put in.

    A value is read as TOML where the setting is not text: `5061`, `true`, `["a", "b"]`;
    where a list is wanted, plain text is a list of one.

    Raises:
        ConfigError: An override that is not of this form, or not of the setting's kind.
    """
    result = deepcopy(dict(document))
    for override in overrides:
        name, equals, text = override.partition("=")
        section, dot, key = name.strip().partition(".")
        if not equals or not dot:
            raise ConfigError([f'--set "{override}": write it as section.key=value, e.g. sip.tls_port=5061'])
        *tables, last = section, *key.split(".")
        _table_at(result, tables, override)[last] = _read_value(override, section, key, text)
    return result


def _table_at(document: dict[str, object], names: Sequence[str], override: str) -> dict[str, object]:
    """Give the table within tables that an override is about; those that are not there are made."""
    table = document
    for depth, name in enumerate(names, 1):
        inner = table.setdefault(name, {})
        if isinstance(inner, list) and inner:
            inner = inner[0]  # of several directories the first is meant
        if not isinstance(inner, dict):
            raise ConfigError([f'--set "{override}": [{".".join(names[:depth])}] is not a section of the file'])
        table = inner
    return table


def _read_value(override: str, section: str, key: str, text: str) -> object:
    field = _settings_beside(section, key).get(key.rpartition(".")[2])
    if field is None or _is_text(field.annotation):
        return text.strip('"') if text[:1] == text[-1:] == '"' else text
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        if "tuple" in str(field.annotation):
            return [text]
        raise ConfigError([f'--set "{override}": the value is neither a number, true, false nor a list']) from None


def _is_text(annotation: Any) -> bool:  # Any: what a pydantic field says of its type
    return annotation is str or (bool(get_args(annotation)) and all(isinstance(a, str) for a in get_args(annotation)))


def _told(errors: Sequence[ErrorDetails]) -> Sequence[ErrorDetails]:
    """Leave out what is wrong only because something else is: a whole by its part, and a name that was made of the domain."""
    places = [one["loc"] for one in errors]
    domain = next((one.get("input") for one in errors if one["loc"] == ("sip", "domain")), None)
    return [
        one
        for one in errors
        if not any(len(other) > len(one["loc"]) and other[: len(one["loc"])] == one["loc"] for other in places)
        and not (one["loc"] == ("sip", "server_name") and one.get("input") == f"sip.{domain}")
    ]


def _source(file: Path, error: ErrorDetails, overridden: Collection[str]) -> str:
    """Say where somebody has written what is wrong: in the file, or on the command line."""
    section, *keys = map(str, error["loc"][:2])
    if error["type"] == "extra_forbidden" and not keys:
        keys = [key for name, _, key in (one.partition(".") for one in sorted(overridden)) if name == section]
    name = f"{section}.{keys[0] if keys else ''}"
    return f"--set {name}" if name in overridden else str(file)


def _sentence(file: str, error: ErrorDetails) -> str:
    location = [str(part) for part in error["loc"]]
    section, key = "".join(location[:1]), ".".join(location[1:])
    where = f"{file}: [{section}] {key}".rstrip()
    if section == _SEVERAL:
        section, location = "directory", ["directory", *location[2:]]
        key = ".".join(location[1:])
        where = f"{file}: [[directory]] {int(error['loc'][1]) + 2}: {key}".rstrip()
        if error["type"] == "extra_forbidden" and key in DirectorySettings.model_fields:
            return f"{where}: is for all directories, and stands in the first [[directory]] alone"
    kind, given = error["type"], error.get("input")
    if _is_unknown(section, location[1:], kind):
        return _unknown(where, section, key)
    if kind == "missing":
        return f"{where}: is missing; add it, etc/lyncpy.toml explains it"
    if kind in ("string_too_short", "too_short") and not given:
        return f"{where}: is empty; write what it has to be, etc/lyncpy.toml explains it"
    if kind == "json_invalid":
        return f"{where}: cannot be read: {error['msg']}"
    if kind in KINDS and not _may_be_secret(section, location[1:]):
        return f"{where}: {repr(given)[:80]} cannot be used: {KINDS[kind]}"
    shown = "this" if isinstance(given, dict) or _may_be_secret(section, location[1:]) else repr(given)[:80]
    message = error["msg"].removeprefix("Value error, ").replace("Input", "it")
    return f"{where}: {shown} cannot be used: {message[:1].lower()}{message[1:]}"


def _may_be_secret(section: str, names: Sequence[str]) -> bool:
    """Tell whether what stands there may hold a secret: in a setting with repr=False, or the whole of a section with one."""
    model = SECTIONS.get(section)
    fields = {} if model is None else model.model_fields
    return any(name in fields and not fields[name].repr for name in names or fields)


def _is_unknown(section: str, names: Sequence[str], kind: str) -> bool:
    """Tell whether a key is unknown; in a section that has tables of free names, whether it is no table either."""
    model = SECTIONS.get(section)
    is_other = model is not None and len(names) == 1 and names[0] not in model.model_fields
    return kind == "extra_forbidden" or (is_other and kind in ("model_type", "model_attributes_type"))


def _unknown(where: str, section: str, key: str) -> str:
    known = list(_settings_beside(section, key) if key else SECTIONS)
    elsewhere = [f"[{name}]" for name, model in SECTIONS.items() if key in model.model_fields]
    if elsewhere:
        return f"{where}: there is no such key; {' and '.join(elsewhere)} has one: write it there"
    near = difflib.get_close_matches((key.rpartition(".")[2] or section)[:80], known, 1)
    remedy = f'did you mean "{near[0]}"?' if near else f"remove it; known are: {', '.join(known)}"
    return f"{where}: there is no such {'key' if key else 'section'}; {remedy}"


def _settings_beside(section: str, key: str) -> Mapping[str, FieldInfo]:
    """Give the settings among which a key stands: those of its section, or of a table of free name in it."""
    model = (_table(section) if "." in key else None) or SECTIONS.get(section)
    return {} if model is None else model.model_fields


def _table(section: str) -> type[BaseModel] | None:
    """Give what a table of free name in a section is, e.g. [policies.NAME]."""
    model = SECTIONS.get(section)
    extra = None if model is None else model.__annotations__.get("__pydantic_extra__")
    return get_args(extra)[1] if extra is not None else None


def explained() -> Iterator[str]:
    """Give the lines of etc/lyncpy.toml: every setting, commented out, with its sentence and default."""
    yield "# lyncpy.toml: every setting there is, each with its default."
    yield "# Only [sip] domain has none. Take the # away in front of a setting to change it."
    yield "# Files are named relative to the folder of this file."
    for section, model in SECTIONS.items():
        yield ""
        yield f"# {model.__doc__}".split("\n", 1)[0]
        yield f"[{section}]"
        for name, field in model.model_fields.items():
            yield ""
            yield f"# {' '.join((field.description or '').split())}"
            yield _default(name, field)
        example: Sequence[str] = getattr(model, "EXAMPLE", ())
        yield from ["", *(f"# {line}" for line in example)] if example else []


def _default(name: str, field: FieldInfo) -> str:
    """Give the line of a setting as it is where nobody has changed it."""
    if field.is_required():
        return f'{name} = "example.com"'
    default = field.get_default(call_default_factory=True)
    return f"# {name} is not set." if default is None else f"#{name} = {toml(default)}"


def toml(value: object) -> str:
    """Write one setting's value as TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def written(document: Mapping[str, Mapping[str, object]]) -> str:
    """Write a small document as TOML."""
    lines: list[str] = []
    for section, table in document.items():
        lines += [f"[{section}]", *(f"{key} = {toml(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)
