"""The shell's commands about the server itself."""

from typing import Any

from lyncpy.app.backends import Backends
from lyncpy.app.backup_command import Backups
from lyncpy.app.certificates_command import CertificatesCommand
from lyncpy.app.config import Config
from lyncpy.app.log_levels import LogCommands
from lyncpy.app.schemes import Credentials
from lyncpy.app.settings_command import SettingsCommand
from lyncpy.app.surroundings import Surroundings
from lyncpy.backends.threads import Threads
from lyncpy.contracts.workload import Offer
from lyncpy.core.timers import Timers
from lyncpy.workloads.webservices.people_certificates import PeopleCertificates


def server_words(
    config: Config,
    back: Backends,
    credentials: Credentials | None,
    issued: PeopleCertificates,
    surroundings: Surroundings,
    timers: Timers,
    reactor: Any,  # Any: the one reactor, which is several interfaces
) -> Offer:
    """Give them.

    Args:
        config: The settings.
        back: The backends.
        credentials: Of the server's connections; None: there are none with TLS.
        issued: The certificates of people.
        surroundings: What is known of the machine.
        timers: Deadlines and clocks.
        reactor: Where threads give what they have done.
    """
    backups = Backups(config, back.store, Threads(reactor, "backup"), timers)
    levels = surroundings.levels
    certificates = CertificatesCommand(config, credentials, issued, surroundings.in_thread, timers)
    return Offer(
        "server",
        commands=(
            *backups.commands(),
            *SettingsCommand(config, levels).commands(),
            *LogCommands(levels, timers).commands(),
            *certificates.commands(),
        ),
        states=(levels.states,),
    )
