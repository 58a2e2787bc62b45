"""The section `[limits]`: how much the request pipeline keeps at once, and how long it waits."""

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Bounds of every table of the request pipeline, and how long it waits."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    pending_per_flow: int = Field(default=256, ge=1, le=100_000)
    """Requests of one connection that may be under way at once; the next ones wait for their turn. So many of its INVITEs may ring at once, too; a further one is refused with 503 when it finds no room in 5 seconds."""

    pending_per_user: int = Field(default=4_096, ge=1, le=1_000_000)
    """Requests of all connections of one user together, or of those of one network address on which nobody has signed in, that may be under way at once; the next ones wait behind their own. So many of their INVITEs may ring at once, too."""

    pending_total: int = Field(default=50_000, ge=1, le=10_000_000)
    """Requests of all connections together that may be under way at once; beyond it those users wait who have most under way."""

    waiting_bytes_per_flow: int = Field(default=262_144, ge=16_384, le=16_777_216)
    """Bytes of requests of one connection that may wait for their turn; while more wait, nothing is read from it."""

    waiting_bytes: int = Field(default=67_108_864, ge=1_048_576, le=4_294_967_296)
    """Bytes of requests of all connections together that may wait for their turn; while more wait, nothing is read from those that have some, nor from those of one user while a sixteenth of it is theirs."""

    sent_per_flow: int = Field(default=1_024, ge=1, le=100_000)
    """Requests to one client that may wait for its answer at once; a further one fails as if the client had said 503."""

    sent_total: int = Field(default=100_000, ge=1, le=10_000_000)
    """Requests to all clients together that may wait for an answer at once; a further one fails with 503."""

    drain_s: float = Field(default=5.0, ge=0.0, le=60.0)
    """Seconds that an orderly end waits for the answers of requests under way; new ones are refused with 503 and Retry-After meanwhile. A second SIGTERM ends the wait."""

    transaction_timeout_s: float = Field(default=32.0, ge=1.0, le=600.0)
    """Seconds for which an answered INVITE is remembered, and a cancelled one is waited for; RFC 3261 says 32."""

    answer_timeout_s: float = Field(default=50.0, ge=1.0, le=600.0)
    """Seconds after which a request that is still unanswered gets 504; real clients give up after 60."""

    invite_timeout_s: float = Field(default=300.0, ge=10.0, le=3600.0)
    """Seconds for which an INVITE may ring before it gets 504."""

    unauthenticated_s: float = Field(default=30.0, ge=1.0, le=600.0)
    """Seconds within which somebody must sign in on a new connection, or it is closed."""

    unauthenticated_per_address: int = Field(default=500, ge=1, le=1_000_000)
    """Connections from one network address (of IPv6: one network of 64 bits) on which nobody has signed in yet, the TLS handshake included; for a further one the oldest of them is closed. It does not bind an address from which users have signed in before."""

    unauthenticated_total: int = Field(default=10_000, ge=1, le=1_000_000)
    """Connections on which nobody has signed in yet, the TLS handshake included, and never more than three quarters of all; for a further one the oldest of the address with the most of them is closed, where somebody has signed in before last."""

    connections_per_user: int = Field(default=32, ge=1, le=10_000)
    """Connections on which one user has signed in; with a further one the oldest is closed."""

    guests_per_address: int = Field(default=250, ge=1, le=100_000)
    """Connections of guests from one network address; a further one is refused with 503. A whole company may be behind one."""

    guests_total: int = Field(default=5_000, ge=1, le=1_000_000)
    """Connections of guests in all; a further one is refused with 503."""

    guest_idle_s: float = Field(default=60.0, ge=5.0, le=3600.0)
    """Seconds after which a guest who is in no conference, and waits for none, is disconnected."""

    requests_per_s: float = Field(default=200.0, ge=1.0, le=100_000.0)
    """Requests a second that one connection may send in the long run; beyond it they wait, and in the end nothing more is read."""

    requests_burst: float = Field(default=2_000.0, ge=10.0, le=1_000_000.0)
    """Requests that one connection may send at once before `requests_per_s` counts."""

    subscriptions_per_flow: int = Field(default=1_500, ge=8, le=100_000)
    """Subscriptions of one connection; a further one is refused with 503. An old client needs one for each contact."""

    subscriptions_per_user: int = Field(default=6_000, ge=8, le=100_000)
    """Subscriptions of all connections of one user; a further one is refused with 503."""

    subscriptions_total: int = Field(default=200_000, ge=8, le=10_000_000)
    """Subscriptions of all connections together; a further one is refused with 503."""
