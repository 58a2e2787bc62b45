"""The table: each operation, what is compared, and what it should cost.

A target is a ratio to Kamailio as it ships where Kamailio does the like. Where it does not, it was set in
microseconds of one machine, on which a MESSAGE of Kamailio took `KAMAILIO_US`; what counts elsewhere is the same
multiple of what Kamailio's MESSAGE takes there, in the same run.
"""

from dataclasses import dataclass
from typing import Final

KAMAILIO_US: Final = 177.0
"""What Kamailio's MESSAGE with its 200 took where targets were set in microseconds."""


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table."""

    operation: str
    name: str
    unit: str = "µs"
    ratio: float | None = None
    """To Kamailio's like operation."""

    us: float | None = None
    """In microseconds of the machine on which Kamailio's MESSAGE takes `KAMAILIO_US`."""

    to: float | None = None
    """With the archive on: how many times what it costs without."""

    value: float | None = None
    """What is no processor time: as it is."""

    more_is_better: bool = False


TARGETS: Final = (
    Target("message", "in-dialog MESSAGE and its 200, saturated", ratio=1.2),
    Target("message-paced", "the same, 300 pairs at 300 a second", ratio=1.2),
    Target("message", "the same with the archive on, saturated", to=1.25),
    Target("message-slow", "the same at 50 a second"),
    Target("message-slow", "the same at 50 a second, archive on", to=1.3),
    Target("publication-0", "publication that nobody watches, durable", us=600),
    Target("publication-10", "publication to 10 watchers", ratio=1.0),
    Target("publication-50", "publication to 50 watchers", ratio=0.45),
    Target("watcher", "each further watcher", ratio=0.3),
    Target("tls", "TLS handshake alone"),
    Target("tls-register", "TLS handshake and sign-in (three REGISTERs)", ratio=0.8),
    Target("sign-in", "whole sign-in with 40 contacts", us=4_000),
    Target("refresh", "refresh of a registration", ratio=1.3),
    Target("batch", "batch SUBSCRIBE of 40", us=1_000),
    Target("contact", "contact added, durable", us=500),
    Target("copy-250", "conference copy with its signed answer, of 250", us=50),
    Target("copy-10", "conference copy with its signed answer, of 10", us=70),
    Target("device", "an idle device with 40 contacts subscribed", "KiB", value=60),
    Target("storm", "all devices back after kill -9", "s"),
    Target("storm-each", "the same, for each device", us=60.0 / 12_654 * 1e6),
    Target("model", "users of Lync's model on one core", "", value=25_000, more_is_better=True),
)

LATENCIES: Final = (
    ("alone", "alone"),
    ("watchers", "1,000 watchers told each second"),
    ("pull", "a directory pull of 20,000"),
    ("verify", "`archive verify`"),
    ("meeting", "a talking meeting of 250"),
    ("wave", "a wave of 200 sign-ins"),
    ("batches", "batch subscriptions"),
)
"""What a MESSAGE at 50 a second is measured beside."""

SCHEMES: Final = (
    ("ntlm", "sign-in by NTLM, a password: three REGISTERs"),
    ("kerberos", "sign-in by Kerberos, a ticket: two REGISTERs"),
    ("tls-dsk", "sign-in by TLS-DSK, a certificate: four REGISTERs"),
    ("web-ticket", "a web ticket for a password, by Basic"),
    ("certificate", "a certificate for a web ticket"),
)
"""What proving oneself costs by itself, without the connection and its TLS; the first is the unit of the others."""

P99_MS: Final = 50.0
MOST_MS: Final = 250.0
