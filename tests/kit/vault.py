"""An archive to play with: its writer, its auditor, and what an intruder does to its lines."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.contracts.archive import ConversationEvent, ILedger
from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.core.timers import Timers
from lyncpy.workloads.archive.auditor import Auditor, AuditResult
from lyncpy.workloads.archive.gaps import Gaps
from lyncpy.workloads.archive.keeper import Keeper
from lyncpy.workloads.archive.model import ChainPoint
from lyncpy.workloads.archive.settings import Settings
from tests.kit.archive import FragileLedger, MemoryGapFile, PlainStamps
from tests.kit.fakes import Fragility
from tests.kit.ledger import MemoryLedger
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of

NOON = 1_784_548_800.0
ALICE, BOB, CAROL = Aor("sip:alice@example.com"), Aor("sip:bob@example.com"), Aor("sip:carol@example.com")


def said(text: str | bytes = "hello", **facts: Any) -> ConversationEvent:
    """Give something that Alice said to Bob."""
    usual: dict[str, Any] = {
        "at": NOON,
        "conversation": "talk",
        "kind": "message",
        "sender": ALICE,
        "recipients": (BOB,),
        "message_id": "1",
        "content_type": "text/plain; charset=UTF-8",
        "body": text.encode() if isinstance(text, str) else text,
    }
    return ConversationEvent(**{**usual, **facts})


@implementer(IPolicies)
class FixedPolicies:
    """Policies by address."""

    def __init__(self, policies: Mapping[Aor, Policy] | None = None) -> None:
        """Take them; whoever is not named has everybody's."""
        self.policies = policies or {}

    def policy_of(self, aor: Aor) -> Policy:
        """Give a policy."""
        return self.policies.get(aor, Policy())


class Vault:
    """An archive over a ledger in memory; `disk` may be broken."""

    def __init__(
        self,
        ledger: MemoryLedger | None = None,
        gap_file: MemoryGapFile | None = None,
        stamps: PlainStamps | None = None,
        **settings: Any,
    ) -> None:
        """Open it."""
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: NOON + self.clock.seconds())
        self.ledger = ledger or MemoryLedger()
        self.disk = Fragility()
        self.fragile: ILedger = FragileLedger(self.ledger, self.disk)
        self.meter = MemoryMeter()
        self.policies = FixedPolicies()
        self._given = settings
        self.settings = Settings(**{"gather_ms": 0, **settings})
        self.stamps = stamps or PlainStamps()
        self.gap_file = gap_file or MemoryGapFile()
        self.keeper = Keeper(
            self.fragile,
            self.stamps,
            self.policies,
            self.meter,
            self.settings,
            self.timers,
            gaps=Gaps(self.gap_file, self.timers, self.meter, answer_s=self.settings.wait_s),
            close_s=10.0,
        )
        self.auditor = Auditor(self.fragile, self.stamps)
        result_of(self.keeper.open())

    def restarted(self) -> "Vault":
        """Give the archive after a restart of the server: on the same disk, with the same key and settings."""
        return Vault(self.ledger, self.gap_file, self.stamps, **self._given)

    def keep(self, *some: ConversationEvent) -> None:
        """Keep entries, one after the other."""
        for one in some:
            result_of(self.keeper.archive(one))

    def verify(self, since: ChainPoint | None = None) -> AuditResult:
        """Verify."""
        return result_of(self.auditor.verify(since))

    def alter(self, serial: int, **facts: Any) -> None:
        """Change columns of a line, as SQL does."""
        self.ledger.lines[serial] = self.ledger.lines[serial]._replace(**facts)
