"""What the settings of an LDAP directory say: how it is reached, as whom, and which entries are what."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from lyncpy.backends.ldap_conditions import any_of
from lyncpy.backends.ldap_faults import SearchSettings
from lyncpy.backends.ldap_groups import FILTERS
from lyncpy.backends.ldap_link import Access
from lyncpy.backends.ldap_mapping import PRESETS, MappingOptions
from lyncpy.contracts.file_faults import fault_of
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.secret_file import password_in
from lyncpy.sip.text import shown


class LdapOptions(MappingOptions, Protocol):
    """The settings of an LDAP directory; the section [directory] has them, and says what each means."""

    url: str
    start_tls: bool
    insecure: bool
    ca_file: str
    bind_dn: str
    bind_password_file: str
    bases: tuple[str, ...]
    filters: tuple[str, ...]
    password_policy: str
    contact_filters: tuple[str, ...]
    group_bases: tuple[str, ...]
    group_filters: tuple[str, ...] | None
    groups_max: int
    group_members_max: int
    incremental: bool
    sweep_every: int
    page_size: int
    entry_bytes: int
    pull_bytes: int
    connect_timeout_s: int
    answer_timeout_s: int
    pull_timeout_s: int
    entries_max: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries are what; "": none are."""

    people: str
    groups: str


def filters_of(terms: LdapOptions) -> Filters:
    """Give what the settings say of which entries are what."""
    return Filters(
        people=any_of((*(terms.filters or PRESETS[terms.preset].filters), *terms.contact_filters)),
        groups=any_of(FILTERS[terms.preset] if terms.group_filters is None else terms.group_filters),
    )


def of_groups(terms: LdapOptions) -> SearchSettings:
    """Give the names of the settings that say where and how groups are searched for."""
    return SearchSettings("group_bases" if terms.group_bases else "bases", "group_filters")


def access_of(terms: LdapOptions, home: Path) -> Access:
    """Give how the server is reached, without an account."""
    return Access(
        url=terms.url,
        start_tls=terms.start_tls,
        insecure=terms.insecure,
        ca_file=str(home / terms.ca_file) if terms.ca_file else "",
        connect_timeout_s=terms.connect_timeout_s,
        answer_timeout_s=terms.answer_timeout_s,
        page_size=terms.page_size,
        entry_bytes=terms.entry_bytes,
        pull_bytes=terms.pull_bytes,
    )


def with_account(access: Access, terms: LdapOptions, home: Path) -> Access:
    """Give how the server is reached with the account that reads it; the password may have been changed since the last time.

    Raises:
        DirectoryUnavailable: There is no password.
    """
    password = ""
    if terms.bind_password_file:
        path = home / terms.bind_password_file
        try:
            password = password_in(path)
        except (OSError, UnicodeDecodeError) as error:
            raise DirectoryUnavailable(
                f'the password file "{path}" ([directory] bind_password_file) cannot be read ({fault_of(error)}): '
                "write the password of bind_dn into it, readable by the server alone"
            ) from error
    if terms.bind_dn and not password:
        raise DirectoryUnavailable(
            f'there is no password for "{shown(terms.bind_dn)}" ([directory] bind_dn): name a file that holds it in bind_password_file'
        )
    return replace(access, bind_dn=terms.bind_dn, password=password)
