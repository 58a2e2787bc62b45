"""What a newcomer needs to know before the server starts; `lyncpy init` prints it."""

from collections.abc import Iterator
from pathlib import Path

from lyncpy.app.config import Config
from lyncpy.contracts.toml_text import TomlUnusable, read_toml


def greeting(config: Config, *, on_terminal: bool) -> Iterator[str]:
    """Give the lines; passwords stand in them on a terminal alone, because all else is kept in some log."""
    sip, admin, home = config.sections.sip, config.sections.admin, config.home
    yield ""
    if sip.tls_port:
        yield f"  SIP over TLS   {sip.tls_host or 'every address of this machine'}, port {sip.tls_port}; server name {sip.server_name}"
    if sip.tcp_port:
        yield f"  SIP over TCP   {sip.tcp_host}, port {sip.tcp_port}"
    if config.site:
        yield f"  HTTPS          {config.site}/"
    yield f"  authority      {home / 'ca.pem'}: let your clients trust it"
    yield f"  settings       {config.file}"
    accounts = home / "demo-accounts.toml"
    if accounts.exists() and not config.sections.directory.is_ldap:
        yield f"  demo accounts  {accounts}"
        # Elsewhere a service manager or a container keeps what is printed.
        if on_terminal:
            yield from _accounts(accounts)
        else:
            yield "                 (passwords are in that file, which its owner alone can read)"
    else:
        yield f"  people         {config.people_from}"
    if admin.port:
        key = home / "admin_key"
        yield f"  shell          ssh -p {admin.port} {f'-i {key} ' if key.exists() else ''}admin@{admin.host}"
    yield ""


def _accounts(file: Path) -> Iterator[str]:
    try:
        accounts = read_toml(file.read_bytes())
    except (OSError, TomlUnusable):
        return
    for account in accounts.values():
        yield f"                 {account.get('address', '?')}   {account.get('password', '?')}"
