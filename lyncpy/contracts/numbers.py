"""Whom a telephone number reaches."""

from zope.interface import Interface

from lyncpy.contracts.names import Aor
from lyncpy.sip.uri import Uri


class INumbers(Interface):
    """Finds the person behind a number; kept by the voice workload."""

    def callee(target: Uri, caller: Aor) -> Aor | None:
        """Give whom a Request-URI reaches that names a telephone number; None: it names somebody by address.

        Args:
            caller: By whose dial plan, where the number does not name another one.

        Raises:
            Refused: 404 (14010), no rule makes a number of it; 404 (4005), nobody has the number; 485 (4009), several have.
            RemoteProtocolError: 400; it says that it is a number, and is none.
        """
