"""Another password than before, noticed when a client sends it: a directory need not tell when one is changed, nor at once.

Of a password sixteen bits are kept, made with the server's key: enough to see that it is another one, and far too few to
find out which it is, whoever has the store and its key.
"""

from collections.abc import Sequence
from hmac import digest
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.archive import IStamps
from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import IPeople, ISecrets
from lyncpy.contracts.facts import CertificatesRevoked
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import IOwners
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.issued import Issued, IssuedCertificate, with_password
from lyncpy.workloads.webservices.tickets import derived

_KEPT_BYTES: Final = 2


class SentPasswords:
    """Ends what an earlier password opened, when another one is sent and is right.

    Args:
        secrets: Of whom a hash is known, its change is known too.
        issued: Where it is noted which password was the last.
        stamps: Of the server's key.
    """

    log = Logger()

    def __init__(
        self, people: IPeople, owners: IOwners, secrets: ISecrets, issued: IssuedTable, stamps: IStamps, bus: IBus
    ) -> None:
        self._people = people
        self._owners = owners
        self._secrets = secrets
        self._issued = issued
        self._bus = bus
        self._key = derived(stamps, "sent password")

    async def note(self, aor: Aor, password: str) -> None:
        """Look at a password that somebody has just sent, and that is right."""
        if await self._secrets.nt_hash(aor) is not None:
            return
        person, owner = self._people.person(aor), self._owners.owner(aor)
        if person is None or not owner:
            return
        code = digest(self._key, f"{owner}\0{password}".encode(), "sha256")[:_KEPT_BYTES].hex()
        before: list[Issued] = []

        def decide(issued: Issued) -> Issued:
            before.append(issued)
            return with_password(issued, code)

        after = await self._issued.change(owner, decide)
        ended: Sequence[IssuedCertificate] = () if after.certificates else before[-1].certificates
        if after.round != before[-1].round:
            self.log.info(
                "{aor} has another password: {count} certificates of the old one ended",
                aor=shown(aor),
                count=len(ended),
            )
        if ended:
            self._bus.tell(CertificatesRevoked(aor, frozenset(one.digest for one in ended)))
