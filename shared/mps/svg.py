"""SVG from users, made harmless: what it draws is in it, and nothing is fetched from anywhere. Pure."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

MAX_SVG = 2_000_000
"""Characters (MPS_API §7)."""
MAX_ELEMENTS = 50_000
MAX_DEPTH = 200
NAMESPACE = "http://www.w3.org/2000/svg"

# For writing it anew; the table is the library's, one for the process.
ElementTree.register_namespace("", NAMESPACE)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")

_OWN_PART = re.compile(r"#[^\s]*")
_PICTURE = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]*", re.I)
_OUTSIDE = re.compile(r"url\s*\(\s*(?!['\"]?\s*#)|@import|image-set\s*\(", re.I)


def harmless_svg(text: str) -> str:
    """The drawing, written anew. Raises ValueError with the rule that it breaks.

    A document type (and so entities), a reference to anything but its own parts and embedded pictures, and scripts are
    refused. What is drawn later is what was checked: the text that comes out has been parsed once and serialised.
    """
    if len(text) > MAX_SVG:
        raise ValueError(f"must have at most {MAX_SVG} characters")
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        reason = "it has a document type" if isinstance(error, DefusedXmlException) else "it is not well-formed XML"
        raise ValueError(f"must be an SVG drawing: {reason}") from None
    if root.tag not in ("svg", f"{{{NAMESPACE}}}svg"):
        raise ValueError("must be an SVG drawing: its root element is not svg")
    if root.tag == "svg":
        raise ValueError(f'must be an SVG drawing: svg needs xmlns="{NAMESPACE}"')
    for count, (element, depth) in enumerate(_walk(root)):
        if count >= MAX_ELEMENTS or depth > MAX_DEPTH:
            raise ValueError(f"must have at most {MAX_ELEMENTS} elements, at most {MAX_DEPTH} deep")
        _check(element)
    return ElementTree.tostring(root, encoding="unicode")


def _walk(root: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, int]]:
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        yield element, depth
        waiting += [(child, depth + 1) for child in element]


def _check(element: ElementTree.Element) -> None:
    name = _local(element.tag)
    if name in ("script", "foreignObject"):
        raise ValueError(f"must not have {name} elements")
    for attribute, value in element.attrib.items():
        local = _local(attribute)
        if local in ("href", "src", "base") and value and not (_OWN_PART.fullmatch(value) or _PICTURE.fullmatch(value)):
            raise ValueError(f"must not refer to anything outside of it: {name} has {local}={value[:60]!r}")
        if _OUTSIDE.search(value):
            raise ValueError(f"must not refer to anything outside of it: {name} has {local}={value[:60]!r}")
    if name == "style" and _OUTSIDE.search("".join(element.itertext())):
        raise ValueError("must not refer to anything outside of it: its style sheet does")


def _local(name: object) -> str:
    return str(name).rpartition("}")[2]
