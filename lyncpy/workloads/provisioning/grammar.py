"""The rules of publication that clients follow: which containers there are, who belongs where ([MS-PRES]).

The server enforces membership and visibility itself; these documents tell a client what
its menus offer and into which containers it publishes each category. Namespaces and order
are those of the schemas ContainerManifest and categoryPublicationManifest.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from lyncpy.sip.namespaces import INSTANCE_NS, PRESENCE_NS

_MANIFEST_NS: Final = "http://schemas.microsoft.com/2008/09/sip/ContainerManifest"
_RULES_NS: Final = "http://schemas.microsoft.com/2008/09/sip/categoryPublicationManifest"
_COMMON_NS: Final = f"{PRESENCE_NS}/commontypes"
_XSL_NS: Final = "http://www.w3.org/1999/XSL/Transform"
_CLIENT_MINIMUM: Final = "2.0.0.0"

PUBLIC, COMPANY, TEAM, PERSONAL, BLOCKED = 100, 200, 300, 400, 32_000


def _container(number: int, *, visible: bool, alone: bool, blocked: bool = False) -> str:
    flags = [("visible", visible), ("avoidRedundantMembers", alone)]
    if blocked:
        flags.append(("blocked", True))
    inner = "".join(f"<{name}>{str(value).lower()}</{name}>" for name, value in flags)
    return f'<container id="{number}">{inner}</container>'


_CONTAINERS: Final = "".join(
    (
        _container(0, visible=False, alone=False),
        *(_container(number, visible=True, alone=True) for number in (PUBLIC, COMPANY, TEAM, PERSONAL)),
        _container(BLOCKED, visible=True, alone=False, blocked=True),
    )
)


def _member(
    who: str,
    *,
    only: int | None = None,
    default: int | None = None,
    occurs: str | None = None,
    sources: Sequence[str] = (),
    resolve: str | None = None,
) -> str:
    """Write one rule of membership; parts that came with a later schema stand between its marks."""
    allowed = (
        '<allowedContainers type="visibleContainers"/>'
        if only is None
        else f'<allowedContainers type="custom"><container id="{only}"/></allowedContainers>'
    )
    parts = [allowed]
    if default is not None:
        parts.append(f'<defaultContainer id="{default}"/>')
    if occurs is not None:
        parts.append(f'<occurrenceConstraint type="{occurs}"/>')
    later = _networks(sources)
    if resolve is not None:
        later += f"<resolutionRules><resolutionRule {resolve}/></resolutionRules>"
    if later:
        parts.append(f"<ct:delimiter/>{later}<ct:end/>")
    return f"<member {who}>{''.join(parts)}</member>"


def _networks(sources: Iterable[str]) -> str:
    inner = "".join(f'<sourceNetwork type="{source}"/>' for source in sources)
    return f"<sourceNetworks>{inner}</sourceNetworks>" if inner else ""


_TO_DEFAULT: Final = 'type="moveToDefaultContainer"'
_REMOVE: Final = 'type="removeFromContainer"'

_BUDDIES: Final = (
    _member('role="buddy"', default=PUBLIC, occurs="one", sources=("publicCloud", "federated"), resolve=_TO_DEFAULT),
    _member('role="buddy"', default=COMPANY, occurs="one", sources=("sameEnterprise",), resolve=_TO_DEFAULT),
)
_DELEGATE: Final = _member('role="delegate"', only=TEAM, default=TEAM, occurs="one", resolve=_TO_DEFAULT)

_OPEN_MEMBERS: Final = (
    *_BUDDIES,
    _member('type="sameEnterprise"', default=COMPANY, occurs="one"),
    _member('type="federated"', default=PUBLIC, occurs="one"),
    _member('type="publicCloud"', occurs="zeroOrOne"),
    _DELEGATE,
)
"""Colleagues see a user without being asked."""

_PRIVATE_MEMBERS: Final = (
    *_BUDDIES,
    _member('type="domain"', only=BLOCKED, resolve=_REMOVE),
    _member('type="user"', only=BLOCKED, resolve='type="forceRole" role="buddy"'),
    *(
        _member(f'type="{kind}"', only=BLOCKED, occurs="zeroOrOne", resolve=_REMOVE)
        for kind in ("sameEnterprise", "federated", "publicCloud")
    ),
    _DELEGATE,
)
"""Whole networks may be blocked and nothing else: only contacts see a user."""


def _block(kind: str, *, container: int | None = None, sources: Sequence[str] = (), inner: str = "") -> str:
    where = "" if container is None else f'<containers type="custom"><container id="{container}"/></containers>'
    return f'<blockRule type="{kind}">{where}{inner}{_networks(sources)}</blockRule>'


_BLOCK_RULES: Final = "".join(
    (
        _block("invites", container=0, sources=("publicCloud",)),
        _block("invites", inner="<maxAvailability>11999</maxAvailability><minAvailability>9000</minAvailability>"),
        _block("invites", container=BLOCKED),
        _block("subscriberPrompt", container=BLOCKED),
    )
)


def _manifest(members: Iterable[str]) -> str:
    return (
        f'<containerManifestList xmlns="{_MANIFEST_NS}" xmlns:ct="{_COMMON_NS}" minSupportedClientVersion="{_CLIENT_MINIMUM}">'
        f"<containerManifest><containers>{_CONTAINERS}</containers><members>{''.join(members)}</members>"
        f"<ct:delimiter/><blockRules>{_BLOCK_RULES}</blockRules>"
        '<rolePrecedence><rolePrecedenceEntry type="delegate"/><rolePrecedenceEntry type="buddy"/></rolePrecedence>'
        "<ct:end/></containerManifest></containerManifestList>"
    )


def _stylesheet(namespace: str, templates: str) -> str:
    """Write an XSLT that takes a category's value (prefix `v`) apart."""
    return (
        f'<categoryData><xsl:stylesheet xmlns:xsl="{_XSL_NS}" xmlns:xsi="{INSTANCE_NS}" xmlns:ct="{_COMMON_NS}"'
        f' xmlns:v="{namespace}" version="1.0" exclude-result-prefixes="v ct">'
        '<xsl:output method="xml" encoding="utf-8"/><xsl:strip-space elements="*"/>'
        f"{templates}</xsl:stylesheet></categoryData>"
    )


_STATE_NS: Final = f"{PRESENCE_NS}/state"
_NOTE_NS: Final = f"{PRESENCE_NS}/note"

_DO_NOT_DISTURB: Final = (
    "@xsi:type='userState' and @manual='true' and v:availability &gt;= 9000 and v:availability &lt;= 11999"
)

_TEAM_STATE: Final = _stylesheet(
    _STATE_NS,
    '<xsl:template match="/"><xsl:apply-templates select="//v:state"/></xsl:template>'
    '<xsl:template match="v:state"><xsl:copy><xsl:copy-of select="@*"/>'
    f'<xsl:choose><xsl:when test="{_DO_NOT_DISTURB}">'
    f'<xsl:element name="availability" namespace="{_STATE_NS}">6900</xsl:element>'
    f'<xsl:element name="activity" namespace="{_STATE_NS}">'
    '<xsl:attribute name="token">urgent-interruptions-only</xsl:attribute>'
    '<xsl:attribute name="minAvailability">6900</xsl:attribute>'
    '<xsl:attribute name="maxAvailability">8999</xsl:attribute></xsl:element>'
    '<xsl:copy-of select="*[not(self::v:availability or self::v:activity)]"/></xsl:when>'
    '<xsl:otherwise><xsl:copy-of select="*"/></xsl:otherwise></xsl:choose></xsl:copy></xsl:template>',
)
"""Do Not Disturb is "urgent interruptions only" for one's team: its members may break through."""

_EMPTY_NOTE: Final = _stylesheet(
    _NOTE_NS,
    '<xsl:template match="/"><xsl:apply-templates select="//v:note"/></xsl:template>'
    '<xsl:template match="v:note"><xsl:copy/></xsl:template>',
)

_OFFLINE: Final = (
    f'<instanceId type="constant" value="0"/><expireType type="static"/><categoryData><state xmlns="{_STATE_NS}"'
    f' xmlns:xsi="{INSTANCE_NS}" manual="false" xsi:type="aggregateState"><availability>18500</availability></state></categoryData>'
)


def _rule(category: str, container: int, content: str = "", *, kind: str = "transformation", own: bool = False) -> str:
    preferred = ' preferredSelfConsumption="true"' if own else ""
    head = f'<publicationRule ruleType="{kind}" categoryName="{category}" containerId="{container}"{preferred}'
    return f"{head}>{content}</publicationRule>" if content else f"{head}/>"


_RULES: Final = "".join(
    (
        _rule("state", 2, own=True),
        _rule("state", 3, _TEAM_STATE),
        _rule("state", BLOCKED, _OFFLINE, kind="bootstrap"),
        _rule("note", PUBLIC, _EMPTY_NOTE),
        _rule("note", COMPANY),
        _rule("note", TEAM),
        _rule("note", PERSONAL, own=True),
        _rule("note", BLOCKED, _EMPTY_NOTE),
    )
)

PUBLICATION_GRAMMAR: Final = (
    f"{_manifest(_OPEN_MEMBERS)}"
    f'<categoryPublicationManifest xmlns="{_RULES_NS}" minSupportedClientVersion="{_CLIENT_MINIMUM}">'
    f"<publicationList>{_RULES}</publicationList></categoryPublicationManifest>"
)
"""How presence is published when colleagues see each other."""

PRIVACY_PUBLICATION_GRAMMAR: Final = _manifest(_PRIVATE_MEMBERS)
"""The same for a user in privacy mode: nothing is published but to those whom the user chose."""
