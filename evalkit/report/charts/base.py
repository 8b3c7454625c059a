"""Drawing with matplotlib, and making its SVG fit for the page.

Charts are drawn one unit to one CSS pixel. Text stays text in the page's own font. Colours are drawn as the
hexadecimal values below and turned into the page's CSS variables, so that a chart follows light, dark and
print. Style attributes become presentation attributes, because the page's policy forbids inline styles.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

INK, MUTED, LINE, PAPER = "#010101", "#020202", "#030303", "#040404"
GOOD, BAD, BLOCK = "#050505", "#060606", "#070707"
SERIES = tuple(f"#1{i}1{i}1{i}" for i in range(8))
HEAT = tuple(f"#2{i}2{i}2{i}" for i in range(6))
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    PAPER: "paper",
    GOOD: "better",
    BAD: "worse",
    BLOCK: "block",
    **{color: f"series-{i}" for i, color in enumerate(SERIES)},
    **{color: f"heat-{i}" for i, color in enumerate(HEAT)},
}
MARKERS = "osD^vPX*"
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))
WIDTH = 580.0

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_DECIMALS = re.compile(r"\d+\.\d{2,}")
_SPACES = re.compile(r"\s+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_GEOMETRY = frozenset(("d", "x", "y", "width", "height", "transform", "points"))
_INHERITED = {"stroke-linejoin": "round", "stroke-linecap": "butt"}


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A chart. `svg` is safe markup, `alt` says what is to be seen, `head` and `rows` are its data."""

    id: str
    title: str
    caption: str
    alt: str
    svg: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def draw(name: str, alt: str, height: float, paint: Callable[[Any], None]) -> str:
    """Let `paint` fill a figure of `WIDTH` by `height` pixels and give its SVG.

    Args:
        name: unique within the page; element ids start with it.
        alt: text alternative.
        height: in CSS pixels.
        paint: draws on a `matplotlib.figure.Figure`.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = _STYLE | {"svg.hashsalt": name}
    with rc_context(style), warnings.catch_warnings():
        # Widths of letters that matplotlib's own font lacks are guessed; the page's fonts have them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return clean(out.getvalue(), name, alt)


_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 11.5,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 11.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.linewidth": 1.0,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
}


def clean(svg: str, name: str, alt: str) -> str:
    """SVG without styles, scripts, metadata and clashing ids, in the page's colours and small."""
    root = ET.fromstring(svg)  # noqa: S314 - matplotlib's own output
    _shrink(root)
    wanted = _referenced(root)
    for element in root.iter():
        _plain_attributes(element, name, wanted)
    _unwrap(root)
    view = root.get("viewBox", "")
    _, _, width, height = view.split()
    root.attrib.clear()
    root.attrib |= {
        "viewBox": view,
        "width": f"{float(width):g}",
        "height": f"{float(height):g}",
        "role": "img",
        "aria-label": alt,
        **_INHERITED,
    }
    text = ET.tostring(root, encoding="unicode")
    return text.replace("ns0:", "").replace("xmlns:ns0", "xmlns")


def _shrink(root: ET.Element) -> None:
    """Drop what shows nothing: metadata, style elements, invisible paths, indentation."""
    for parent in list(root.iter()):
        for child in list(parent):
            style = child.get("style", "")
            unseen = child.tag == f"{{{_SVG}}}path" and "fill: none" in style and "stroke" not in style
            if unseen or child.tag in {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}:
                parent.remove(child)
        if parent.tag != f"{{{_SVG}}}text":
            parent.text = None
        parent.tail = None


def _unwrap(parent: ET.Element) -> None:
    """Put the children of groups without attributes in the group's place, and drop what is empty."""
    kept: list[ET.Element] = []
    for child in list(parent):
        _unwrap(child)
        if child.tag in {f"{{{_SVG}}}g", f"{{{_SVG}}}defs"} and not child.attrib:
            if child.tag.endswith("defs") and len(child):
                kept.append(child)
            elif child.tag.endswith("g"):
                kept.extend(child)
        else:
            kept.append(child)
    parent[:] = kept


def _referenced(root: ET.Element) -> set[str]:
    """Ids that something points to."""
    found: set[str] = set()
    for element in root.iter():
        found |= {value[1:] for key, value in element.items() if key in {_XLINK, "href"}}
        for value in element.attrib.values():
            found |= set(_REFERENCE.findall(value))
    return found


def _plain_attributes(element: ET.Element, name: str, wanted: set[str]) -> None:
    """Turn the style attribute into presentation attributes, rename ids, use the page's colours."""
    for declaration in element.attrib.pop("style", "").split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key and key not in {*_INHERITED, "font-family"}:
            element.set(key, value)
    if (own := element.attrib.pop("id", None)) in wanted:
        element.set("id", f"{name}-{own}")
    if _XLINK in element.attrib:
        element.set("href", f"#{name}-{element.attrib.pop(_XLINK)[1:]}")
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for key, value in list(element.items()):
        if value in _VARIABLES:
            element.set(key, f"var(--{_VARIABLES[value]})")
        elif "url(#" in value:
            element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))
        elif key in _GEOMETRY:
            element.set(key, _SPACES.sub(" ", _DECIMALS.sub(_rounded, value)).strip())


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def color(number: int) -> str:
    """Colour of an endpoint by its place; shape and letter tell it apart as well."""
    return SERIES[number % len(SERIES)]


def marker(number: int) -> str:
    """Shape of an endpoint by its place."""
    return MARKERS[number % len(MARKERS)]


def dash(number: int) -> Any:
    """Line pattern of an endpoint by its place."""
    return DASHES[number % len(DASHES)]
