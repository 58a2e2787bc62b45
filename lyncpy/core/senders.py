"""Whether a request is from who has proven to send it, whichever way its From is read."""

from collections.abc import Callable, Collection

from lyncpy.contracts.names import Aor
from lyncpy.core.called_as import CalledAs
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Request
from lyncpy.sip.telephone import number_in
from lyncpy.sip.uri import parse_uri


def is_from(request: Request, aor: Aor, numbers: Callable[[Aor], Collection[str]], called_as: CalledAs) -> bool:
    """Tell whether a request has this user in From: their address, or within a dialog that by which they were called.

    Who was called by a number, or in place of another, has that as their own address in the dialog (RFC 3261 §12.1.1),
    and may write so.

    Args:
        numbers: Gives the numbers of a user, as tel URIs in their normal form.
        called_as: Knows the dialogs in which a user was called in place of another.
    """
    uri = request.from_.uri
    if not _stands_alone(uri, request.headers.lines[request.headers.layout.places["from"]]):
        return False
    if uri == aor or parse_uri(uri).aor == aor:
        return True
    return request.to.tag is not None and (_number(uri) in numbers(aor) or called_as.is_marked(request, aor))


def _number(uri: str) -> str | None:
    try:
        number = number_in(parse_uri(uri))
    except RemoteProtocolError:
        return None
    return None if number is None else number.uri


def _first_bracketed(value: str) -> str:
    """Give what stands between the first angle brackets, or before the first semicolon if there are none."""
    before, opened, rest = value.partition("<")
    return rest.partition(">")[0] if opened else before.partition(";")[0].strip()


def _stands_alone(uri: str, line: str) -> bool:
    """Tell whether the field has this URI in brackets, and none before it."""
    return line.startswith(f"From: <{uri}>") or _first_bracketed(line.partition(":")[2]) == uri
