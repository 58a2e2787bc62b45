"""What is told to who traces: made only while somebody does."""

from lyncpy.contracts.tapping import Passage, PassageKind
from lyncpy.sip.decoder import Garbled
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.message import Request, Response
from lyncpy.wire.flows import Flow


def received(flow: Flow, item: Request | Response | Garbled) -> Passage:
    """Give what came, before anything is written on it."""
    if isinstance(item, Garbled):
        return _passage(PassageKind.GARBLED, flow, words=item.reason)
    try:
        data = encode(item)
    except LocalProtocolError as error:  # it was read, so it can nearly always be written
        return _passage(PassageKind.GARBLED, flow, words=error.reason)
    return _passage(PassageKind.MESSAGE, flow, data=data)


def opened(flow: Flow) -> Passage:
    """Give that a connection can be used."""
    return _passage(PassageKind.OPENED, flow, words=flow.security or "TCP")


def closed(flow: Flow, reason: str) -> Passage:
    """Give that a connection is gone."""
    return _passage(PassageKind.CLOSED, flow, words=reason)


def _passage(kind: PassageKind, flow: Flow, data: bytes = b"", words: str = "") -> Passage:
    return Passage(kind, flow.name, (flow.peer, flow.origin.port), flow.inlet.here, data=data, words=words)
