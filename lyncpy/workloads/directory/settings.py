"""The section [directory]."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from lyncpy.contracts.setting_forms import written_as
from lyncpy.workloads.directory.model.places import Places

FACTS: Final = (
    "company",
    "department",
    "display_name",
    "given_name",
    "line",
    "logins",
    "mail",
    "manager",
    "nt_hash",
    "office",
    "other_mails",
    "password_set",
    "phone_home",
    "phone_mobile",
    "phone_other",
    "phone_work",
    "private_line",
    "surname",
    "telephony",
    "title",
)
"""What `attributes` may map."""


_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9;-]*")


def texts(value: object) -> object:
    """Read one text as a list of one; make a TOML list a tuple."""
    if isinstance(value, str):
        return (value,) if value.strip() else ()
    return tuple(value) if isinstance(value, list) else value


def _mapping(value: object) -> object:
    return {key: texts(one) for key, one in value.items()} if isinstance(value, dict) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(texts)]
"""A list of texts, or one text."""

_DirectoryName = Annotated[str, written_as(r"[A-Za-z0-9_.-]*", "it may have letters, digits, _, . and - alone")]


class DirectorySource(BaseModel):
    """What belongs to one directory, where there are several."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    name: _DirectoryName = Field(default="", max_length=40)
    """Tells people of this directory from those of others where there are several [[directory]]; one of them may have none. Under another name, with the same url, its people are the same people."""

    # repr=False: somebody may write a password into it all the same, and what is refused is not shown then.
    url: str = Field(default="people.toml", repr=False)
    """A people file, or an LDAP server: "ldap://host:389" or "ldaps://host:636"."""

    start_tls: bool = False
    """Whether a connection to ldap:// is encrypted with StartTLS before anything else is said."""

    insecure: bool = False
    """Whether people and the bind password may travel unencrypted to another host; a server on this host needs no permission."""

    ca_file: str = ""
    """The authorities (PEM) that may have issued the LDAP server's certificate; empty: those the system trusts. It is always checked."""

    bind_dn: str = ""
    """The account that reads the LDAP server, e.g. "cn=lyncpy,ou=services,dc=example,dc=com"; empty: anonymous."""

    bind_password_file: str = Field(default="", repr=False)
    """The file whose content is the password of bind_dn; readable by the server alone."""

    bases: Texts = ()
    """The DNs under which people are searched, e.g. ["ou=people,dc=example,dc=com"]; empty: all that the server says it holds."""

    filters: Texts = ()
    """LDAP filters; an entry that fits any of them is a person. Empty: those of the preset."""

    preset: Literal["openldap", "activedirectory"] = "openldap"
    """How attributes are read where nothing else is said: "openldap" (inetOrgPerson, and msRTCSIP-* where present) or "activedirectory"."""

    address: Texts = ()
    """Where a person's address comes from, the first that has a value: attributes or templates, e.g. ["mail"] or ["sip:{uid}@{domain}"]."""

    attributes: Annotated[Mapping[str, tuple[str, ...]], BeforeValidator(_mapping)] = Field(default_factory=dict)
    """Other sources for single facts, e.g. { office = "roomNumber", display_name = "{givenName} {sn}", title = [] }; empty: the preset's."""

    photo: Texts = ("thumbnailPhoto", "jpegPhoto")
    """Attributes with a person's photo as JPEG, the best first, read when a client wants it; [provisioning] photo_size_kb bounds it. []: no photos."""

    disabled_when: Annotated[tuple[str, ...] | None, BeforeValidator(texts)] = None
    """When a person may not sign in, any of: "name", "!name" (absent), "name=value", "name!=value", "name&bit", "name~letters". Left out: the preset's; []: never."""

    since: Annotated[tuple[str, ...] | None, BeforeValidator(texts)] = None
    """Attributes that say from when on somebody may sign in, each with its form: filetime, days, lastday, seconds, time or age, e.g. ["pwdStartTime:time"]; the latest counts. Left out: the preset's; []: none."""

    until: Annotated[tuple[str, ...] | None, BeforeValidator(texts)] = None
    """Attributes that say until when, written as in since; the earliest counts, e.g. ["accountExpires:filetime", "shadowLastChange+shadowMax+shadowInactive:lastday"]. Left out: the preset's; []: none."""

    must_change: Annotated[tuple[str, ...] | None, BeforeValidator(texts)] = None
    """When a person must change the password before the next sign-in: conditions as in disabled_when, or times as in since. Left out: the preset's; []: never."""

    must_change_unless: Annotated[tuple[str, ...] | None, BeforeValidator(texts)] = None
    """Conditions, as in disabled_when, under which nobody must change the password, whatever must_change says, e.g. ["userAccountControl&65536"]. Left out: the preset's; []: none."""

    password_policy: str = ""
    """The DN of the password policy (pwdPolicy) of people whose entries name none in pwdPolicySubentry: OpenLDAP's ppolicy_default. Empty: their passwords do not age by a policy."""

    passwords: Literal["bind", "kept"] = "bind"
    """Whether a password that a client sends to the site (Basic, within TLS) is one if the LDAP server lets its user bind with it; with "kept" only hashes count, of `lyncpy user passwd` and nt_hash."""

    password_checks: int = Field(default=4, ge=1, le=32)
    """Passwords that the LDAP server is asked about at once; others wait, each at most password_timeout_s."""

    password_timeout_s: int = Field(default=10, ge=1, le=60)
    """Seconds that the LDAP server may take for one password; then the client is told to try again later."""

    hidden_when: Annotated[tuple[str, ...] | None, BeforeValidator(texts)] = None
    """When a person or a group is not found by searching, conditions as in disabled_when. Left out: the preset's (msExchHideFromAddressLists=TRUE); []: never."""

    contact_filters: Texts = ()
    """LDAP filters; who fits any of them and has no address is found by searching all the same, by mail, and cannot sign in, e.g. ["(objectClass=contact)", "(&(objectCategory=person)(mail=*))"]. Empty: nobody."""

    group_bases: Texts = ()
    """The DNs under which groups are searched, e.g. ["ou=groups,dc=example,dc=com"]; empty: those of bases."""

    group_filters: Annotated[tuple[str, ...] | None, BeforeValidator(texts)] = None
    """LDAP filters; an entry that fits any of them is a group. Left out: those of the preset (groupOfNames, groupOfUniqueNames, posixGroup; group); []: no groups are read."""

    groups_max: int = Field(default=100_000, ge=1, le=5_000_000)
    """Groups beyond which a pull is given up, as of entries_max."""

    group_members_max: int = Field(default=20_000, ge=1, le=1_000_000)
    """Members that a group may name; a larger one is skipped and named by `directory skipped`."""

    notices: bool = True
    """Whether the LDAP server is asked to tell when something changes, where it can (content synchronisation, persistent search, change notification), over a connection of its own."""

    incremental: bool = True
    """Whether a pull asks only for what has changed, where the LDAP server can tell (modifyTimestamp, uSNChanged)."""

    sweep_every: int = Field(default=1, ge=1, le=1000)
    """With every how many-th incremental pull the entries are counted to find the removed ones; raise it for very large directories."""

    page_size: int = Field(default=500, ge=1, le=10_000)
    """Entries that are asked for at once; Active Directory gives at most 1000."""

    connect_timeout_s: int = Field(default=5, ge=1, le=60)
    """Seconds that connecting to the LDAP server may take."""

    answer_timeout_s: int = Field(default=15, ge=1, le=600)
    """Seconds that the LDAP server may be silent."""

    pull_timeout_s: int = Field(default=300, ge=1, le=7200)
    """Seconds that a whole pull may take."""

    entry_bytes: int = Field(default=16_777_216, ge=65_536, le=1_073_741_824)
    """Bytes of one entry, a group's members among them, beyond which a pull is given up."""

    pull_bytes: int = Field(default=1_073_741_824, ge=1_048_576, le=17_179_869_184)
    """Bytes of all entries beyond which a pull is given up: they are in memory until it ends."""

    entries_max: int = Field(default=200_000, ge=1, le=5_000_000)
    """Entries beyond which a pull is given up: a filter that fits everything must not fill the memory."""

    @field_validator("attributes")
    @classmethod
    def _known(cls, attributes: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for name in attributes:
            if name not in FACTS:
                near = difflib.get_close_matches(name[:80], FACTS, 1)
                raise ValueError(
                    f'unknown fact "{name}"; '
                    + (f'did you mean "{near[0]}"?' if near else f"known are {', '.join(FACTS)}")
                )
        return attributes

    @field_validator("photo")
    @classmethod
    def _attributes(cls, photo: tuple[str, ...]) -> tuple[str, ...]:
        for name in photo:
            if not _ATTRIBUTE.fullmatch(name):
                raise ValueError(f'"{name[:80]}" is no attribute\'s name, such as "thumbnailPhoto"')
        return photo

    @field_validator("url")
    @classmethod
    def _usable(cls, url: str) -> str:
        scheme, mark, rest = url.partition("://")
        # No file is called ldap:something, and whoever writes that has forgotten a stroke.
        is_typo = not mark and url.partition(":")[0].lower() in ("ldap", "ldaps", "file", "http", "https")
        if not url.strip() or is_typo or (mark and (scheme not in ("ldap", "ldaps") or not rest.strip("/"))):
            raise ValueError('must be the name of a people file, "ldap://host" or "ldaps://host"')
        if mark and "@" in rest:
            raise ValueError("must not name a user or a password: those belong to bind_dn and bind_password_file")
        if mark and rest.count(":") > 1 and "[" not in rest:
            raise ValueError('has an address of IPv6, which stands in brackets: "ldap://[::1]:389"')
        if mark and not _is_place(url):
            raise ValueError(
                'must name host and port alone, as "ldap://host:389"; what is searched there stands in bases and filters'
            )
        return url

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.bind_dn and not self.bind_password_file:
            raise ValueError("bind_dn needs bind_password_file: the file that holds its password")
        if self.start_tls and self.url.startswith("ldaps:"):
            raise ValueError("start_tls is for ldap://; with ldaps:// the connection is encrypted already")
        return self

    @property
    def binds(self) -> bool:
        """Whether passwords are checked by the LDAP server."""
        return self.is_ldap and self.passwords == "bind"

    @property
    def hides_hashes(self) -> bool:
        """Whether the LDAP server checks passwords, and gives no NT hashes."""
        return self.binds and self.preset == "activedirectory" and not self.attributes.get("nt_hash")

    @property
    def is_ldap(self) -> bool:
        """Whether people come from an LDAP server."""
        return self.url.startswith(("ldap://", "ldaps://"))


class Settings(DirectorySource):
    """Where people and groups come from: a file or an LDAP server, or several."""

    EXAMPLE: ClassVar[Sequence[str]] = (
        "Several directories: one table for each, in the order in which they have an address that two of them name.",
        "What concerns all of them, from must_change_signs_out on, stands in the first. Each needs a name, but for one.",
        "[[directory]]",
        'url = "ldaps://ldap.example.com"',
        'bases = ["ou=people,dc=example,dc=com"]',
        "[[directory]]",
        'name = "branch"',
        'url = "branch.toml"',
    )
    """Shown below the settings in etc/lyncpy.toml."""

    must_change_signs_out: bool = True
    """Whether who must change the password is signed out at that moment, as who is disabled; otherwise only the next sign-in is refused."""

    interval_s: int = Field(default=300, ge=1, le=86400)
    """Seconds between two pulls; a disabled user is signed out within this time, and within seconds where the server tells of changes."""

    retry_s: int = Field(default=30, ge=1, le=3600)
    """Seconds after a pull that failed until the next try, where that is sooner."""

    full_interval_s: int = Field(default=86400, ge=60, le=31 * 86400)
    """Seconds after which everything is read again even so."""

    removal_share: float = Field(default=0.25, ge=0.0, le=1.0)
    """If a pull would remove more than this share of all people (or groups), it removes none: more likely the directory is broken. All else it says counts. 1.0: always removed."""

    removal_minimum: int = Field(default=3, ge=1, le=100_000)
    """Fewer removals than this are always done, unless nobody would remain."""

    held_s: int = Field(default=30 * 86400, ge=0, le=10 * 366 * 86400)
    """Seconds for which the data of removed people waits for them: password, contacts, levels, meetings. Only who comes back with the same key gets it; then it is deleted."""

    kept_people: int = Field(default=10_000, ge=0, le=200_000)
    """People who may be kept in the store, beside those of the directory: `user add`, `user import`. 0: none may be added."""

    forward_s: int = Field(default=30 * 86400, ge=0, le=10 * 366 * 86400)
    """Seconds for which messages, calls and subscriptions to a former address still reach who has left it for another; ends when somebody else gets it."""

    @property
    def overdue_s(self) -> float:
        """Seconds after the last pull that succeeded from which on that is told: several should have been, and the longest takes two hours."""
        return 3.0 * self.interval_s + 7200.0


def places_of(sources: Sequence[DirectorySource]) -> Places:
    """Name directories."""
    return Places({one.name: one.url for one in sources})


def _is_place(url: str) -> bool:
    """Tell whether a URL names a host, and a port or none, without what one of LDAP may have further (RFC 4516)."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not (parts.path.strip("/") or parts.query or parts.fragment)
    except ValueError:
        return False
