"""ILeases on SQL: the tables `nodes` and `homes`, by the clock of the database, which is the same for all nodes."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, func, insert, not_, or_, select, update
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.sql.database import Database, RunJob
from lyncpy.backends.sql.dialects import POSTGRESQL, clock, exclude_writers, insert_into
from lyncpy.backends.sql.fence import FENCED, HELD
from lyncpy.backends.sql.prepared import StatementJob
from lyncpy.backends.sql.tables import ALIVE, homes, nodes
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import Fenced, Home, ILeases, NodeLease

FORGOTTEN_S: Final = 86_400.0
"""How long a node that has ended is listed."""

LEASES: Final = "store_lease"
"""The name of their queue: no write keeps a renewal waiting."""

_THIS: Final = nodes.c.name == bindparam("node")


@implementer(ILeases)
class SqlLeases:
    """Nodes and homes in a database that is opened and closed elsewhere. Of SQLite there is one process, which nobody fences.

    Args:
        database: Where they are.
        connected: Called in a thread with each new connection of theirs: a lease is renewed all the time, so that a server which was
            restarted is seen here first.
    """

    def __init__(self, database: Database, connected: Callable[[], None]) -> None:
        self._database = database
        self._now = now = clock(database.dialect)
        self._nodes = select(nodes, (nodes.c.until - now).label("left_s")).order_by(nodes.c.epoch)
        # Each node reads these all the time: those that have ended within a day may be many more.
        self._living = self._nodes.where(nodes.c.ended.is_(None))
        self._fence = None
        # Of a file there is one writer at a time, and nobody whose lease could run out meanwhile.
        self._run: RunJob = database.run_write
        if database.dialect == POSTGRESQL:
            self._fence = database.prepare(select(HELD), FENCED)
            self._run = database.own_queue(LEASES, lambda _: connected(), is_fenced=False)
        self._node = NodeName("")

    def join(self, node: NodeName, place: str, seconds: float, *, is_connected: bool) -> Deferred[int]:
        """Begin the lease of this process; give its epoch."""

        def job(connection: Connection) -> int:
            # Two that join at once would find the same epoch.
            exclude_writers(connection, nodes)
            epoch: int = connection.execute(select(func.coalesce(func.max(nodes.c.epoch), 0) + 1)).scalar_one()
            # The newest stays, and with it the number that the next one follows.
            connection.execute(delete(nodes).where(nodes.c.ended < self._now - FORGOTTEN_S))
            connection.execute(
                insert(nodes).values(
                    name=node, epoch=epoch, place=place, is_connected=is_connected, until=self._now + seconds
                )
            )
            return epoch

        def joined(epoch: int) -> int:
            self._node = node
            if self._fence is not None:
                self._database.fence(StatementJob(self._fence, (node,), _held))
            return epoch

        return self._run(job).addCallback(joined)

    def renew(self, node: NodeName, seconds: float) -> Deferred[Sequence[NodeLease]]:
        """Have the lease end so many seconds from now; give the living nodes, or fail with Fenced."""
        renewed = update(nodes).where(_THIS, nodes.c.ended.is_(None)).values(until=self._now + seconds)

        def job(connection: Connection) -> Sequence[NodeLease] | Failure:
            if connection.execute(renewed, {"node": node}).rowcount != 1:
                return Failure(Fenced(f"the lease of {node} is over"))
            return _leases(connection.execute(self._living))

        return self._run(job)

    def nodes(self, names: Collection[NodeName] = ()) -> Deferred[Sequence[NodeLease]]:
        """Give these nodes, or all."""
        # Of hundreds one or two are asked for whenever what they have left is read.
        wanted = self._nodes.where(nodes.c.name.in_(names)) if names else self._nodes
        return self._run(lambda connection: _leases(connection.execute(wanted)))

    def end_leases(self, nodes_: Collection[NodeLease]) -> Deferred[Sequence[NodeName]]:
        """Write down that leases are over which have run out; give those of which this call did so."""
        names = [one.name for one in nodes_]
        # Whole, see the fence. Of whoever stands still within a transaction it cannot be had, and nobody waits for it: renewals
        # are in this queue, too. It is tried again.
        free = select(nodes.c.name).where(nodes.c.name.in_(names)).with_for_update(skip_locked=True)
        over = update(nodes).where(nodes.c.ended.is_(None), nodes.c.until <= self._now).values(ended=self._now)

        def job(connection: Connection) -> Sequence[NodeName]:
            held = nodes.c.name.in_(connection.execute(free).scalars().all())
            return tuple(map(NodeName, connection.execute(over.where(held).returning(nodes.c.name)).scalars()))

        return self._fenced(job)

    def end_others(self, node: NodeName) -> Deferred[int]:
        """Write down that all leases but one are over; give their number."""
        held = select(nodes.c.name).order_by(nodes.c.name).with_for_update()
        over = update(nodes).where(nodes.c.name != node, nodes.c.ended.is_(None)).values(ended=self._now)

        def job(connection: Connection) -> int:
            connection.execute(held).all()
            return connection.execute(over).rowcount

        return self._fenced(job)

    def leave(self, node: NodeName) -> Deferred[None]:
        """End the lease of this process."""
        held = select(nodes.c.name).where(_THIS).with_for_update()
        over = update(nodes).where(_THIS, nodes.c.ended.is_(None)).values(ended=self._now)

        def job(connection: Connection) -> None:
            connection.execute(held, {"node": node}).all()
            connection.execute(over, {"node": node})

        return self._fenced(job)

    # --- homes

    def take_homes(self, keys: Collection[str], node: NodeName) -> Deferred[Sequence[Home]]:
        """Make a node the home of each name that none has, or one that is dead; give which node has each then."""
        # In order: two that take the same would wait for each other.
        wanted = sorted(set(keys))
        if not wanted:
            return succeed(())
        rows = [{"key": key, "node": node, "epoch": 1} for key in wanted]
        statement = insert_into(homes, self._database.dialect).values(rows)
        free = or_(homes.c.node.is_(None), homes.c.node.not_in(ALIVE))
        taken = statement.on_conflict_do_update(
            index_elements=[homes.c.key],
            set_={"node": statement.excluded.node, "epoch": homes.c.epoch + 1},
            where=free,
        )
        found = select(homes.c.key, homes.c.node, homes.c.epoch).where(homes.c.key.in_(wanted)).order_by(homes.c.key)

        def job(connection: Connection) -> Sequence[Home]:
            connection.execute(taken)
            return tuple(Home(key, NodeName(name), epoch) for key, name, epoch in connection.execute(found))

        return self._fenced(job)

    def give_up(self, home: Home) -> Deferred[None]:
        """Have a home be nobody's, if it still is as it was."""
        statement = (
            update(homes)
            .where(homes.c.key == home.key, homes.c.node == home.node, homes.c.epoch == home.epoch)
            .values(node=None)
        )

        def job(connection: Connection) -> None:
            connection.execute(statement)

        return self._fenced(job)

    def forget(self, key: str, node: NodeName) -> Deferred[None]:
        """Forget a name, unless another node that is alive has it."""
        others = and_(homes.c.node != node, homes.c.node.in_(ALIVE))
        statement = delete(homes).where(homes.c.key == key, or_(homes.c.node.is_(None), not_(others)))

        def job(connection: Connection) -> None:
            connection.execute(statement)

        return self._fenced(job)

    def homes(self, prefix: str = "") -> Deferred[Sequence[Home]]:
        """Give the homes whose key begins so and whose node is alive, by key."""
        statement = (
            select(homes.c.key, homes.c.node, homes.c.epoch)
            .where(homes.c.key.startswith(prefix, autoescape=True), homes.c.node.in_(ALIVE))
            .order_by(homes.c.key)
        )

        def job(connection: Connection) -> Sequence[Home]:
            return tuple(Home(key, NodeName(node), epoch) for key, node, epoch in connection.execute(statement))

        return self._run(job)

    def _fenced(self, job: Any) -> Deferred[Any]:  # Any: each job has its own result
        """Do a job that a node does which is not known dead; of itself it may have to find out here."""
        alive = select(nodes.c.epoch).where(_THIS, nodes.c.ended.is_(None)).with_for_update(key_share=True, read=True)

        def fenced(connection: Connection) -> Any:
            if connection.execute(alive, {"node": self._node}).first() is None:
                return Failure(Fenced(f"the lease of {self._node} is over"))
            return job(connection)

        return self._run(fenced)


def _leases(rows: Iterable[Any]) -> Sequence[NodeLease]:  # Any: rows of a driver
    return tuple(
        NodeLease(NodeName(row.name), row.epoch, row.place, row.is_connected, row.left_s, row.ended is not None)
        for row in rows
    )


def _held(cursor: Any) -> None:  # Any: a driver's cursor
    """What is not as it has to be has failed by now."""
