"""Monitoring's words in the admin shell."""

import json
from collections.abc import Callable, Sequence
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import FlowName, bare
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, CommandReach, OperatorRole, ShellCommand, Table
from lyncpy.core.timestamps import moment
from lyncpy.workloads.monitoring.routes import JOURNAL

NEWEST: Final = 100
ALWAYS: Final = float("inf")
"""Lines that were written while the clock was ahead are shown too."""

TABLES: Final = (
    "lyncpy_app_limit_most_count",
    "lyncpy_app_limit_reached_total",
    "lyncpy_app_limit_used_count",
    "lyncpy_app_table_bound_count",
    "lyncpy_app_table_entries_count",
    "lyncpy_app_table_fullest_count",
)
"""Meters of which there is one for each table, or each bound."""


class Commands:
    """Connections, meters, and what clients reported.

    Args:
        store: The reports.
        flows, locator: The connections, and who is signed in on them.
        meters: Gives all meters as OpenMetrics text.
        timers: The clock.
    """

    def __init__(
        self, store: IStore, flows: IFlows, locator: ILocator, meters: Callable[[], bytes], timers: ITimers
    ) -> None:
        self._store = store
        self._flows = flows
        self._locator = locator
        self._meters = meters
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of monitoring."""
        flow = Arg("flow", "a name that `flows` shows", choices=self._flows.names)
        part = Arg("part", "a part of the name; all when left out", required=False)
        return (
            ShellCommand(
                "flows",
                "The connections, and what went over them.",
                self.flows,
                form=form(
                    "flow address users security since_s:number silent_s:number in:number out:number bytes_in:number bytes_out:number unwritten:number held:truth"
                ),
                reach=CommandReach.EVERYWHERE,
            ),
            ShellCommand(
                "flow close",
                "Close a connection; its client comes back by itself.",
                self.close,
                args=(flow,),
                role=OperatorRole.OPERATOR,
                form=form("flow"),
                reach=CommandReach.WHERE_IT_IS,
            ),
            ShellCommand(
                "meters",
                "The counters and gauges of this server.",
                self.meters,
                args=(part,),
                form=form("meter value:number?"),
                reach=CommandReach.EVERYWHERE,
            ),
            ShellCommand(
                "reports",
                f"The newest {NEWEST} reports that clients sent about errors and quality.",
                self.reports,
                form=form("at:time user kind text"),
            ),
        )

    async def flows(self, asked: CommandCall) -> Table:
        """List connections."""
        users: dict[FlowName, list[str]] = {}
        for endpoint in self._locator.all_endpoints():
            users.setdefault(endpoint.flow, []).append(bare(endpoint.aor))
        now = self._timers.now()
        rows = [
            (
                f.name,
                f.peer,
                " ".join(users.get(f.name, ())),
                f.security or "none",
                round(now - f.since),
                round(now - f.heard),
                f.messages_in,
                f.messages_out,
                f.bytes_in,
                f.bytes_out,
                f.unwritten_bytes,
                f.held,
            )
            for f in self._flows.facts()
        ]
        columns = (
            "flow",
            "address",
            "users",
            "security",
            "since_s",
            "silent_s",
            "in",
            "out",
            "bytes_in",
            "bytes_out",
            "unwritten",
            "held",
        )
        return Table(columns, rows, note=f"{len(rows)} connections")

    async def close(self, asked: CommandCall) -> Table:
        """Close one connection."""
        flow = FlowName(asked.args["flow"])
        if flow not in self._flows.names():
            raise CommandFailed(f'there is no connection "{flow}"; see: flows')
        self._flows.close_flow(flow, "closed by an operator")
        return Table(("flow",), [(flow,)], note="closed")

    async def meters(self, asked: CommandCall) -> Table:
        """List meters, by name; the buckets of histograms, and tables, where a part of a name is asked for."""
        part = asked.args.get("part", "")
        lines = [line for line in self._meters().decode().splitlines() if line and not line.startswith("#")]
        if not part:
            lines = [line for line in lines if not _is_detail(line)]
        rows = [(name, float(value)) for name, value in (line.rsplit(" ", 1) for line in lines) if part in name]
        if part and not rows:
            raise CommandFailed(f'no meter is called like "{part[:80]}"; see: meters')
        return Table(("meter", "value"), rows)

    async def reports(self, asked: CommandCall) -> Table:
        """List reports, the newest last."""
        try:
            entries = await self._store.replay(JOURNAL, 0.0, ALWAYS, NEWEST)
        except StoreUnavailable as error:
            raise CommandFailed(f"the reports cannot be read now: {error}") from error
        rows: Sequence[tuple[object, ...]] = [_row(entry.at, json.loads(entry.entry)) for entry in entries]
        return Table(("at", "user", "kind", "text"), rows)


def _is_detail(line: str) -> bool:
    return "_bucket{" in line or line.startswith(TABLES)


def _row(at: float, entry: dict[str, str]) -> tuple[object, ...]:
    return moment(at), bare(entry["user"]), entry["kind"], entry["text"]
