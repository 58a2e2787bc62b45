"""Whom a telephone number reaches."""

from zope.interface import Interface

from lyncpy.contracts.names import Aor
from lyncpy.sip.uri import Uri


class INumbers(Interface):
    """Finds the person behind a number; kept by the voice workload."""

    def callee(target: Uri) -> Aor | None:
        """Give whom a Request-URI reaches that names a telephone number; None: it names somebody by address.

        Raises:
            Refused: 404 (4005), nobody has the number; 485 (4009), several have.
            RemoteProtocolError: 400; it says that it is a number, and is none.
        """
