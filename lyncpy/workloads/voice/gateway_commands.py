"""Gateways, for operators."""

from lyncpy.contracts.answers import form
from lyncpy.contracts.workload import CommandCall, CommandReach, ShellCommand, Table
from lyncpy.core.timestamps import moment
from lyncpy.workloads.voice.gateways import Gateway, Gateways


class GatewayCommands:
    """Lists gateways."""

    def __init__(self, gateways: Gateways) -> None:
        self._gateways = gateways

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the commands."""
        return (
            ShellCommand(
                "gateways",
                "The gateways and trunks: whether they answer, since when, and how many calls are there.",
                self.shown,
                reach=CommandReach.EVERYWHERE,
                form=form("gateway place state since:time calls:number calls_most:number said?", counts="down"),
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """List them in the order of the settings."""
        found = self._gateways.all_gateways()
        down = sum(one.is_up is False for one in found)
        note = f"{len(found)} gateways" + (f", {down} of them do not answer" if down else "")
        return Table(
            ("gateway", "place", "state", "since", "calls", "calls_most", "said"),
            [_row(one) for one in found],
            note=note,
            counts={"down": down},
        )


def _row(gateway: Gateway) -> tuple[object, ...]:
    given = gateway.settings
    place = f"{given.transport}:{given.address}:{given.port_used}"
    return gateway.name, place, gateway.word, moment(gateway.since), gateway.calls, given.calls, gateway.said or None
