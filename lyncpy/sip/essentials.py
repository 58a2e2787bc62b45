"""What every request has to say of itself, read at once: Call-ID, CSeq, From and To.

Nearly all write them alike, and then they are taken out of their lines without a call for each; where one is written in
another way, it is read as whoever asks for it would read it. Both give the same.
"""

import re
from typing import Any, Final

from lyncpy.sip.grammar import BLANKS
from lyncpy.sip.headers import CSeq, NameAddr
from lyncpy.sip.message import Request

_ADDRESS: Final = re.compile(r'[A-Za-z]+: <([^<>\s"]+)>(?:;tag=([A-Za-z0-9.\-]+))?(?:;epid=([A-Za-z0-9.\-]+))?')
_DIGITS: Final = 10
_NEW: Final = tuple.__new__  # a NamedTuple's own is a call of Python's


def read_essentials(request: Request) -> None:
    """Read Call-ID, CSeq, From and To of a request, so that whoever asks for them need not fear that they are broken.

    Raises:
        RemoteProtocolError: One of them is missing, comes twice, or says nothing.
    """
    known = request.__dict__
    layout, lines = request.headers.layout, request.headers.lines
    if layout.essential is not None:
        at_call_id, at_cseq, at_from, at_to = layout.essential
        digits, _, method = lines[at_cseq].partition(":")[2].strip(BLANKS).partition(" ")
        if method == request.method and len(digits) < _DIGITS and digits.isascii() and digits.isdigit():
            known["cseq"] = _NEW(CSeq, (int(digits), method))
        # Of lines that were the same before it is known.
        if "from_" not in known:
            call_id = lines[at_call_id].partition(":")[2].strip(BLANKS)
            from_, to = _ADDRESS.fullmatch(lines[at_from]), _ADDRESS.fullmatch(lines[at_to])
            if call_id and from_ is not None and to is not None:
                _note(request, call_id, from_, to)
    _ = request.call_id, request.cseq, request.from_, request.to


def _note(request: Request, call_id: str, from_: re.Match[str], to: re.Match[str]) -> None:
    """Note what was read in these lines."""
    views: dict[str, Any] = {"call_id": call_id}  # Any: each view has its own type
    text = [call_id]
    for name, found in (("from_", from_), ("to", to)):
        uri, tag, epid = found.groups()
        params = {}
        if tag is not None:
            params["tag"] = tag
        if epid is not None:
            params["epid"] = epid
        views[name] = NameAddr("", uri, params)
        text += uri, tag or ""
    views["dialog_text"] = tuple(text)
    request.__dict__.update(views)
    if request.shared is not None:
        request.shared.views.update(views)
