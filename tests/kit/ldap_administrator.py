"""What an administrator does in a directory of a test, over a connection for each step."""

from collections.abc import Mapping
from typing import ClassVar

from ldap3 import BASE, DEREF_NEVER, MODIFY_REPLACE, NONE, Connection, Server


class LdapAdministrator:
    """Changes entries and reads them as they are kept."""

    administrator: ClassVar[tuple[str, str]]
    """DN and password."""

    url: str

    def modify(self, dn: str, **attributes: object) -> None:
        """Replace attributes; `_` in a name stands for `-`, an empty list removes one."""
        changes = {
            name.replace("_", "-"): [(MODIFY_REPLACE, value if isinstance(value, list) else [value])]
            for name, value in attributes.items()
        }
        self.do("modify", dn, changes=changes)

    def delete(self, dn: str) -> None:
        """Remove an entry."""
        self.do("delete", dn)

    def rename(self, dn: str, rdn: str, *, under: str | None = None) -> None:
        """Rename an entry, or move it."""
        self.do("modify_dn", dn, relative_dn=rdn, new_superior=under)

    def read(self, dn: str, *names: str) -> Mapping[str, list[bytes]]:
        """Give attributes of an entry as they are kept."""
        with Connection(Server(self.url, get_info=NONE), *self.administrator, receive_timeout=10) as connection:
            connection.search(dn, "(objectClass=*)", BASE, dereference_aliases=DEREF_NEVER, attributes=list(names))
            found: Mapping[str, list[bytes]] = connection.response[0]["raw_attributes"]
            return found

    def do(self, operation: str, dn: str, **arguments: object) -> None:
        """Do an LDAP operation as the administrator."""
        server = Server(self.url, get_info=NONE, connect_timeout=5)
        with Connection(server, *self.administrator, receive_timeout=10, check_names=False) as connection:
            assert getattr(connection, operation)(dn, **arguments), connection.result
