"""The section [webservices]."""

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Web services of sign-in: tickets, certificates and discovery, on the site of [web]."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    ticket_s: int = Field(default=28_800, ge=600, le=86_400)
    """Seconds for which a web ticket holds, with which a client uses the services without its password."""

    certificate_s: int = Field(default=15_552_000, ge=28_800, le=31_536_000)
    """Seconds for which a client's certificate holds; until then its user is not asked for the password again."""

    certificates_per_user: int = Field(default=16, ge=1, le=64)
    """Devices of one user that may have a certificate; a further one takes the place of the oldest."""

    certificates_per_hour: int = Field(default=60, ge=4, le=10_000)
    """Certificates that one user gets in an hour; each costs a signature and is written down, so more are refused."""

    group_members_told: int = Field(default=100, ge=1, le=1_000)
    """Members of a group that a client is told; of a larger one it is told that there are too many, and says so to its user."""

    ntlm: bool | None = None
    """Whether passwords are proved by NTLM where tickets are given; with false they are sent (Basic, within TLS), which clients do only where NTLM is not offered. Left out: true, unless the LDAP server is an Active Directory that is asked about passwords: it shows no hashes, which NTLM needs where there is no [auth] ntlm_auth."""
