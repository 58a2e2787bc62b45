"""Templates of messages that nodes send for each other's flows: each is told once, and then named by its number.

So what goes to many, or again and again in a dialog, is neither written nor read whole at each of them: the flow's node makes the
same `Prepared` of it, and signs it as its own.
"""

from collections import OrderedDict
from typing import Final

from lyncpy.contracts.names import NodeName
from lyncpy.sip.message import Request
from lyncpy.sip.prepared import Prepared, Template

TEMPLATES_MOST: Final = 8_192
"""Those that one node tells others, in all; of more to one, the one used longest ago is told anew when it is needed."""

LEAST: Final = 16
"""To one node, however many there are."""

_PLACE: Final = "Via: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK0"


class TemplatesTold:
    """What this node has told others."""

    def __init__(self) -> None:
        self._told: dict[NodeName, OrderedDict[Template, int]] = {}

    def __len__(self) -> int:
        """Give the number of templates that were told."""
        return sum(map(len, self._told.values()))

    def number(self, node: NodeName, template: Template) -> tuple[int, bytes]:
        """Give the number of a template, and its text where the node does not know it yet; b"": it does."""
        told = self._told.setdefault(node, OrderedDict())
        number = told.get(template)
        if number is not None:
            told.move_to_end(template)
            return number, b""
        most = max(LEAST, TEMPLATES_MOST // len(self._told))
        number = len(told) if len(told) < most else told.popitem(last=False)[1]
        told[template] = number
        text = f"{template.head(template.uri, _PLACE, 0, '')}Content-Length: 0\r\n\r\n"
        return number, text.encode("utf-8", "surrogateescape")

    def forget(self, node: NodeName) -> None:
        """Tell a node all of them anew: what was under way to it is lost."""
        self._told.pop(node, None)


class TemplatesHeard:
    """What other nodes have told this one."""

    def __init__(self) -> None:
        self._heard: dict[NodeName, dict[int, Template]] = {}

    def __len__(self) -> int:
        """Give the number of templates that were heard."""
        return sum(map(len, self._heard.values()))

    def put(self, node: NodeName, number: int, request: Request) -> None:
        """Keep a template under its number, in the place of a former one."""
        if number < TEMPLATES_MOST:
            self._heard.setdefault(node, {})[number] = Template(request.edited(drop=["Via"]))

    def get(self, node: NodeName, number: object) -> Template | None:
        """Give a template; None: there is none with this number."""
        return self._heard.get(node, {}).get(number) if type(number) is int else None

    def forget(self, node: NodeName) -> None:
        """Forget what a node has told that is known dead."""
        self._heard.pop(node, None)


def size_of(prepared: Prepared) -> int:
    """Give the bytes that a message takes on its way, about, and the same on both sides."""
    return len(prepared.vias) + len(prepared.lines) + len(prepared.body) + 512
