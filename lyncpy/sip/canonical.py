"""XML in its one canonical form, which is what signatures are made of (Exclusive XML Canonicalization 1.0, without comments)."""

from collections.abc import Iterator, Mapping
from typing import Final

from lyncpy.sip.markup import Element

_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_ATTRIBUTE: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)


def canonical(el: Element, without: Element | None = None) -> bytes:
    """Write an element with what is in it, as every writer of it would.

    Args:
        el: What to write; of the namespaces around it those that it uses.
        without: An element in it that is left out, as the enveloped-signature transform does.

    Raises:
        RemoteProtocolError: 413, when all that was written of the document outgrows it.

    Spec: https://www.w3.org/TR/xml-exc-c14n/ §3; no prefix is treated in an inclusive way.
    """
    parts = []
    for part in _written(el, {}, without):
        el.count_written(len(part))
        parts.append(part)
    return "".join(parts).encode()


def _written(el: Element, around: Mapping[str, str], without: Element | None) -> Iterator[str]:
    """Give the parts of an element; `around` has the declarations that are written already, by prefix."""
    name = f"{el.prefix}:{el.local}" if el.prefix else el.local
    used = {el.prefix, *(name.partition(":")[0] for name, _ in el.attributes if ":" in name)} - {"xml"}
    fresh = {prefix: el.lookup(prefix) for prefix in sorted(used) if around.get(prefix, "") != el.lookup(prefix)}
    yield f"<{name}"
    for prefix, namespace in fresh.items():
        yield f' xmlns{":" if prefix else ""}{prefix}="{namespace.translate(_ATTRIBUTE)}"'
    # Attributes without a prefix belong to no namespace, and stand first.
    for _, _, attribute, value in sorted(_sortable(el)):
        yield f' {attribute}="{value.translate(_ATTRIBUTE)}"'
    yield f">{el.text.translate(_TEXT)}"
    for inner in el:
        if inner is not without:
            yield from _written(inner, {**around, **fresh}, without)
        yield inner.tail.translate(_TEXT)
    yield f"</{name}>"


def _sortable(el: Element) -> Iterator[tuple[str, str, str, str]]:
    """Give namespace, local part, whole name and value of each attribute (Canonical XML 1.0 §2.2)."""
    for name, value in el.attributes:
        prefix, colon, rest = name.partition(":")
        yield (el.lookup(prefix), rest, name, value) if colon else ("", name, name, value)
