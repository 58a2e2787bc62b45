"""As which homes this node runs the meetings of conferences: what it stores says so, and is refused once a later home has stored."""

from lyncpy.contracts.nodes import Home, INodes


class HomeEpochs:
    """The homes of conferences that this node has.

    Args:
        nodes: This node; alone it needs none of this.
    """

    def __init__(self, nodes: INodes) -> None:
        self._nodes = nodes
        self._homes: dict[str, Home] = {}

    def begin(self, key: str, home: Home) -> None:
        """Note as which home this node runs a conference from now on."""
        self._homes[key] = home

    def home_ended(self, key: str) -> None:
        """Note that this node runs a conference no more."""
        self._homes.pop(key, None)

    def epoch_of(self, key: str) -> Home | None:
        """Give as which home a conference is run here; None: there is one node alone.

        Where there are several, and this one is not the home, that is one which is later than none.
        """
        return None if self._nodes.is_alone else self._homes.get(key, Home(key, self._nodes.node, 0))
