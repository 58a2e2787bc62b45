"""As much SDP as the server reads: which media a session offers.

Session descriptions pass through unread otherwise; MCUs and voice will bring their own
needs here.
"""

from typing import Final

_MAX_BYTES: Final = 65_536
_KINDS: Final = {
    "message": "im",
    "x-ms-message": "im",
    "audio": "audio",
    "video": "video",
    "panoramic-video": "video",
    "applicationsharing": "appsharing",
    "applicationsharing-video": "appsharing",
    "data": "data",
    "meeting": "data",
    "application": "data",
    "x-data": "filetransfer",
}


def media_of(body: bytes) -> frozenset[str]:
    """Tell which media a session description offers.

    Words: im, audio, video, data, appsharing, filetransfer. Media that are refused or closed
    (port 0) do not count, unknown ones neither. An `m=` line counts wherever it stands, so
    a multipart body that holds descriptions can be given whole.

    Spec: RFC 4566 §5.14.
    """
    found: set[str] = set()
    for line in body[:_MAX_BYTES].splitlines():
        if line[:2] != b"m=":
            continue
        words = line[2:].decode("ascii", "replace").lower().split()
        if len(words) > 1 and words[1] != "0" and words[0] in _KINDS:
            found.add(_KINDS[words[0]])
    return frozenset(found)
