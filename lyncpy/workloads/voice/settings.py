"""The section [voice]."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from lyncpy.contracts.setting_forms import written_as
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.telephone import parse_line
from lyncpy.workloads.voice.model.dialplan import Rule, read_rule
from lyncpy.workloads.voice.model.patterns import PatternRefused, read_pattern

RULES_MOST: Final = 500


def _texts(value: object) -> object:
    """Read one text as a list of one; make a TOML list a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], Field(max_length=1000), BeforeValidator(_texts)]

_PlanName = Annotated[
    str,
    Field(min_length=1, max_length=256),
    written_as(r"[A-Za-z0-9\-.+_()]+", "the name of a dial plan has letters, digits and - . + _ ( ) alone"),
]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class RuleSettings(_Table):
    """One rule, as { pattern = "^([0-9]{4})$", translation = "+1425555$1" }."""

    pattern: str
    translation: str
    name: str = Field(default="", max_length=100)
    internal: bool = False

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            self.rule()
        except PatternRefused as error:
            raise ValueError(f'the rule "{self.pattern[:80]}" cannot be used: {error}') from None
        return self

    def rule(self) -> Rule:
        """Give the rule."""
        return read_rule(self.name, self.pattern, self.translation, is_internal=self.internal)


Rules = Annotated[tuple[RuleSettings, ...], Field(max_length=RULES_MOST)]


class DialPlanSettings(_Table):
    """A table [voice.dial_plans.NAME]."""

    members: Names = ()
    policies: Names = ()
    rules: Annotated[Rules, Field(min_length=1)]
    external_access_prefix: Annotated[str, written_as(r"[0-9*#]{0,4}", "it has at most four digits, * and #")] = ""
    optimize_device_dialing: bool = False


class VoicePolicySettings(_Table):
    """A table [voice.policies.NAME]."""

    members: Names = ()
    policies: Names = ()
    usages: Names = ()
    call_forwarding: bool = True
    simultaneous_ring: bool = True
    team_call: bool = True
    delegation: bool = True
    voicemail_escape_ms: int = Field(default=0, ge=0, le=8000)


class RouteSettings(_Table):
    """A table [voice.routes.NAME]."""

    pattern: str
    usages: Names
    gateways: Names
    priority: int = Field(default=0, ge=0, le=1_000_000)
    suppress_caller_id: bool = False
    caller_id: str = Field(default="", max_length=100)

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str) -> str:
        try:
            read_pattern(pattern)
        except PatternRefused as error:
            raise ValueError(f"the pattern cannot be used: {error}") from None
        return pattern

    @field_validator("caller_id")
    @classmethod
    def _number(cls, caller_id: str) -> str:
        try:
            return parse_line(caller_id).uri if caller_id else ""
        except RemoteProtocolError as error:
            raise ValueError(error.reason) from None


class GatewaySettings(_Table):
    """A table [voice.gateways.NAME]."""

    address: Annotated[
        str, Field(min_length=1, max_length=253), written_as(r"[A-Za-z0-9.:\-]+", "an address, or a name of DNS")
    ]
    port: int = Field(default=0, ge=0, le=65535)
    transport: Literal["udp", "tcp", "tls"] = "tls"
    sources: Annotated[Names, Field(max_length=100)] = ()
    certificate_name: str = Field(default="", max_length=253)
    authority: str = Field(default="", max_length=4096)
    priority: int = Field(default=0, ge=0, le=1_000_000)
    weight: int = Field(default=0, ge=0, le=65535)
    calls: int = Field(default=100, ge=1, le=10_000)
    ping_s: int = Field(default=30, ge=5, le=3600)
    answer_s: int = Field(default=6, ge=1, le=32)
    dial_plan: Annotated[str, written_as(r"[A-Za-z0-9\-.+_()]{0,256}", "the name of a dial plan")] = ""

    @field_validator("sources")
    @classmethod
    def _networks(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for one in sources:
            try:
                ip_network(one)
            except ValueError:
                raise ValueError(
                    f'"{one[:80]}" is no address and no network, as 192.0.2.7 or 2001:db8:1::/64'
                ) from None
        return sources

    @property
    def port_used(self) -> int:
        """The port, or that of SIP."""
        return self.port or (5061 if self.transport == "tls" else 5060)


class TrunkSettings(_Table):
    """A table [voice.trunks.NAME]."""

    called: Rules = ()
    calling: Rules = ()


class Settings(BaseModel):
    """Telephony: what people dial, and what becomes of it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    EXAMPLE: ClassVar[Sequence[str]] = (
        "A dial plan is that of its members: users by address, groups by name or DN, or all with one of the policies of [policies].",
        "The most telling counts: a user's own, then a group's, then a policy's, then the plan \"default\". The first rule that fits decides.",
        "[voice.dial_plans.default]",
        "rules = [",
        '  { pattern = "^(\\\\d{4})$", translation = "+1425555$1", internal = true },',
        '  { pattern = "^([2-9]\\\\d{9})$", translation = "+1$1", name = "within the country" },',
        "]",
        "[voice.dial_plans.berlin]",
        'members = ["Sales Berlin", "alice@example.com"]',
        'rules = [{ pattern = "^0([1-9]\\\\d+)$", translation = "+49$1" }, { pattern = "^00(\\\\d+)$", translation = "+$1" }]',
        'external_access_prefix = "0"',
        "optimize_device_dialing = true",
        "A voice policy has usages in order; the first with a route whose pattern fits decides, and its routes are tried by priority.",
        "[voice.policies.default]",
        'usages = ["within the country"]',
        "[voice.routes.germany]",
        """pattern = '^\\+49\\d+$'""",
        'usages = ["within the country"]',
        'gateways = ["carrier"]',
        "A gateway is reached by TLS, TCP or UDP, and asked by OPTIONS whether it is there.",
        "[voice.gateways.carrier]",
        'address = "sbc.example.net"',
        'transport = "tls"',
        "calls = 30",
        "A trunk has the name of its gateway, and says how that wants numbers written.",
        "[voice.trunks.carrier]",
        """called = [{ pattern = '^\\+49(\\d+)$', translation = "0$1" }, { pattern = '^\\+(\\d+)$', translation = "00$1" }]""",
    )
    """Shown below the settings in etc/lyncpy.toml."""

    dial_plans: Annotated[Mapping[_PlanName, DialPlanSettings], Field(max_length=1000)] = Field(default_factory=dict)
    """Dial plans by name, each in a table [voice.dial_plans.NAME]: rules (pattern, translation, name, internal) in order, members, policies, external_access_prefix, optimize_device_dialing. Counts at once when it is read again."""

    policies: Annotated[Mapping[str, VoicePolicySettings], Field(max_length=1000)] = Field(default_factory=dict)
    """Voice policies by name, each in a table [voice.policies.NAME]: usages in order, members, policies; whether call_forwarding, simultaneous_ring, team_call and delegation count of a user's own rules for calls; voicemail_escape_ms, within which a telephone that answers is a carrier's mail box. Whose they are is as of dial plans. Counts at once when it is read again."""

    routes: Annotated[Mapping[str, RouteSettings], Field(max_length=1000)] = Field(default_factory=dict)
    """Routes out of the house by name, each in a table [voice.routes.NAME]: pattern of the number with +, usages, gateways in order, priority (the smallest first), suppress_caller_id, caller_id. Counts at once when it is read again."""

    trunks: Annotated[Mapping[str, TrunkSettings], Field(max_length=1000)] = Field(default_factory=dict)
    """Trunks by the name of their gateway, each in a table [voice.trunks.NAME]: rules for called and for calling numbers, as those of dial plans. Counts at once when it is read again."""

    gateways: Annotated[Mapping[str, GatewaySettings], Field(max_length=200)] = Field(default_factory=dict)
    """Gateways and trunks by the names that routes have for them, each in a table [voice.gateways.NAME]: address and port, transport ("tls", "tcp", "udp"), sources (further addresses and networks from which it sends), certificate_name and authority (a PEM file; else those of the system), priority and weight, calls (most at once), ping_s, answer_s, dial_plan (of the numbers that it calls and shows; else "default"). Counts at once when it is read again."""

    gateway_host: str = Field(default="", max_length=253)
    """The name or address of this server by which gateways reach it. When empty: [sip] server_name."""

    gateway_address: str = Field(default="", max_length=45)
    """The address on which gateways are awaited. When empty: every address of this machine."""

    gateway_port: int = Field(default=5068, ge=0, le=65535)
    """The port for gateways, UDP and TCP, which is open where there are any; 0: datagrams leave from any port, and no gateway connects."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        twice = _twice(self.dial_plans)
        if twice:
            raise ValueError(
                f'dial_plans: "{twice}" is there twice but for capital letters; callers could not tell which is meant'
            )
        return self


def _twice(names: Iterable[str]) -> str:
    """Give a name that differs from one before in the case of letters only; ""."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return ""
