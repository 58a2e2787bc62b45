"""Entries of traces, as a server records them."""

from lyncpy.sip.masking import masked
from lyncpy.workloads.tracing.model.entry import Socket, TraceEntry, TraceEntryKind

SERVER = Socket("198.51.100.1", 5061)
ALICE = Socket("192.0.2.1", 50001)
BOB = Socket("192.0.2.2", 50002)

START = 1_700_000_000.25


def request(method: str, sender: str = "alice", receiver: str = "alice", body: bytes = b"", call_id: str = "c1") -> str:
    """Write a request as it is kept."""
    head = (
        f"{method} sip:{receiver}@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:50001;branch=z9hG4bK{method}\r\n"
        f"From: <sip:{sender}@example.com>;tag=1;epid=aa\r\nTo: <sip:{receiver}@example.com>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nUser-Agent: UCCAPI/15.0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return masked(head.encode() + body)


def answer(status: int, phrase: str, method: str, *more: str, call_id: str = "c1") -> str:
    """Write an answer as it is kept."""
    lines = [
        f"SIP/2.0 {status} {phrase}",
        f"Via: SIP/2.0/TLS 192.0.2.1:50001;branch=z9hG4bK{method}",
        "From: <sip:alice@example.com>;tag=1;epid=aa",
        "To: <sip:alice@example.com>;tag=2",
        f"Call-ID: {call_id}",
        f"CSeq: 1 {method}",
        *more,
    ]
    return masked(("\r\n".join(lines) + "\r\n\r\n").encode())


def message(
    text: str, after_s: float, *, inward: bool, client: Socket = ALICE, node: str = "n1", flow: str = ""
) -> TraceEntry:
    """Make the entry of a message, so many seconds after the start."""
    name = flow or f"{node}/{client.port - 50000}"
    return TraceEntry(START + after_s, node, TraceEntryKind.MESSAGE, text, name, client, SERVER, inward)


def state(words: str, after_s: float, node: str = "n1") -> TraceEntry:
    """Make the entry of a change of state."""
    return TraceEntry(START + after_s, node, TraceEntryKind.STATE, words)


SIGN_IN = (
    message(request("REGISTER"), 0.0, inward=True),
    message(answer(401, "Unauthorized", "REGISTER"), 0.001, inward=False),
    message(request("REGISTER"), 0.1, inward=True),
    message(
        answer(403, "Forbidden", "REGISTER", 'ms-diagnostics: 4005;reason="Account disabled";source="sip.example.com"'),
        0.102,
        inward=False,
    ),
    state("alice@example.com was refused", 0.103),
)
"""Alice tries to sign in, and is refused."""
