"""What gateways take that are named in the settings: a name in DNS, and the certificates of who issued theirs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cryptography import x509

from lyncpy.app.config import Config
from lyncpy.app.machine import ask_system, unresolved
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.regular_file import read_regular
from lyncpy.workloads.voice.findings import is_name

UNANSWERED_MOST: Final = 3
"""Names without an address after which no more are asked for: a resolver that hangs takes seconds for each."""


def authority_file_findings(config: Config) -> Iterator[Finding]:
    """Look at the files of authorities of gateways: one that cannot be read lets no gateway be reached."""
    for name, gateway in config.sections.voice.gateways.items():
        if gateway.authority and gateway.transport == "tls":
            said = _objection(config.path(gateway.authority))
            if said:
                sentence = f"[voice.gateways.{name}] authority: {said}: put the certificate (PEM) of who issued the gateway's there, or correct the setting"
                yield Finding(good=False, sentence=sentence)


def _objection(file: Path) -> str:
    """Say why nobody can be trusted by a file; ""."""
    try:
        x509.load_pem_x509_certificates(read_regular(file))
    except OSError as error:
        return f"{file} cannot be read ({error.strerror or error})"
    except ValueError:
        return f"{file} holds no certificate"
    return ""


def gateway_findings(config: Config, look_up: Callable[[str], object] = ask_system) -> Iterator[Finding]:
    """Ask for the address of each gateway that is named by its name.

    Args:
        config: Settings.
        look_up: Raises OSError for a name that has none.
    """
    failed = 0
    named = {name: one for name, one in config.sections.voice.gateways.items() if is_name(one.address)}
    for number, (name, gateway) in enumerate(named.items(), 1):
        said = unresolved(look_up, gateway.address)
        if said:
            failed += 1
            sentence = f"[voice.gateways.{name}] address: {gateway.address} has no address here ({said}): correct it, or publish it in DNS"
            yield Finding(good=False, sentence=sentence)
        if failed == UNANSWERED_MOST and number < len(named):
            yield Finding(good=False, sentence="[voice] gateways: the names of the others were not asked for")
            return
