"""The section `[auth]`: how people prove who they are, and how often they may try."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from lyncpy.contracts.setting_forms import written_as

_Name = Annotated[
    str,
    written_as(r'[^"<>\\\x00-\x1f]*', 'it can have no ", <, > or \\, and nothing that cannot be seen'),
]


def _words(value: object) -> object:
    """Read one text as a list of one; make a TOML list a tuple."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(value) if isinstance(value, list) else value


class Settings(BaseModel):
    """Sign-in: names, lifetimes and tries."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    realm: _Name = Field(default="SIP Communications Service", min_length=1, max_length=128)
    """The realm in every challenge; some clients accept no other than this one."""

    target_name: _Name = Field(default="", max_length=255)
    """The name of this server in every challenge; empty: the server name of [sip]."""

    netbios_domain: _Name = Field(default="", max_length=15)
    """The Windows domain named in NTLM challenges; empty: the first part of the SIP domain, in capitals. With `ntlm_auth` the domain that this computer has joined."""

    netbios_computer: _Name = Field(default="", max_length=15)
    """The name of this computer in NTLM challenges; empty: the first part of the server name, in capitals. With `ntlm_auth` the name under which it has joined the domain: controllers believe it in no other."""

    ntlm_auth: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    """Samba's program by which a Windows domain that this computer has joined checks NTLM of people whose password is not kept here, "/usr/bin/ntlm_auth", or a list of it and its options; empty: the domain is not asked. It takes winbind; `lyncpy check` looks at all of it."""

    keytab: str = Field(default="", max_length=4096)
    """The file with this server's Kerberos keys, for its owner alone: people then sign in with the ticket of their computer; empty: Kerberos is not offered. It takes the extra `kerberos`; `lyncpy doctor kerberos` looks at all of it."""

    web_names: tuple[str, ...] = Field(default=())
    """Further names of the host of the HTTPS site, as Windows may write them into an NTLM proof: where the site's own is an alias (CNAME), the name that it stands for. A proof for another host's site, or for another service, is refused, lest it be passed on from there."""

    version: int = Field(default=4, ge=2, le=4)
    """The newest version of message signatures that is offered; Lync has 4, Communicator 2005 has 2."""

    minimum_version: int = Field(default=2, ge=2, le=4)
    """The oldest version of message signatures that a client may choose; 4 shuts out clients older than Lync, and proofs that were made for another server and are passed on (SECURITY.md)."""

    lifetime_s: float = Field(default=28_800.0, ge=300.0, le=86_400.0)
    """Seconds after which a client must prove its password anew; clients do so five minutes before eight hours."""

    skew_s: float = Field(default=900.0, ge=1.0, le=86_400.0)
    """Seconds by which a client's clock may be wrong; beyond it sign-in is refused and the client says why."""

    challenge_time: bool = False
    """Send our time with the challenge: clients then use it in place of their own clock, and `skew_s` hardly matters."""

    challenge_lifetime_s: float = Field(default=60.0, ge=5.0, le=600.0)
    """Seconds within which a challenge must be answered."""

    tls_dsk: bool = True
    """Let clients sign in with a certificate that they get on the site (TLS-DSK); false: those that know nothing else cannot sign in, all others prove a password at each start, and who has no password that NTLM can use stays out."""

    handshakes: int = Field(default=2_000, ge=10, le=100_000)
    """Handshakes of TLS-DSK that may be under way at once, of some 60 kB each; beyond it the oldest is forgotten."""

    challenges: int = Field(default=20_000, ge=10, le=1_000_000)
    """Challenges that may wait for their answer at once; beyond it the oldest is forgotten."""

    tell_unknown_users: bool = True
    """Tell a client at once that its address does not exist here, as Lync does, until a place has tried `tries_per_address` such; false: ask for a password and refuse it."""

    tries_per_user: int = Field(default=5, ge=1, le=1000)
    """Failed sign-ins as one user from one place within `tries_window_s`, after which that pair waits for a while; guests' keys too."""

    tries_per_address: int = Field(default=50, ge=1, le=100_000)
    """Failed sign-ins from one place (an address, of IPv6 its /64), after which each name has one try for free there, where it had `tries_per_user`; devices that have signed in from there before do not notice."""

    tries_window_s: float = Field(default=900.0, ge=10.0, le=86_400.0)
    """Seconds after which a failed sign-in is forgotten, each by itself."""

    tries_delay_s: float = Field(default=30.0, ge=1.0, le=3600.0)
    """Seconds of the first refusal; each further failure doubles it."""

    tries_delay_maximum_s: float = Field(default=900.0, ge=1.0, le=86_400.0)
    """Seconds of the longest refusal."""

    tries_remembered: int = Field(default=50_000, ge=100, le=10_000_000)
    """Pairs of a name and a place whose failed sign-ins are remembered at once, and at least as many as there are people; beyond it the oldest of the place with most of them is forgotten."""

    @field_validator("ntlm_auth")
    @classmethod
    def _is_whole_path(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if words and not words[0].startswith("/"):
            raise ValueError("give the program with its whole path, as /usr/bin/ntlm_auth")
        if any("\0" in word for word in words):
            raise ValueError("a word cannot have a zero byte in it")
        return words
