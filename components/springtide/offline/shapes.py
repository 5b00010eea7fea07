"""The shapes that a picture is made of: texts cut to their room, boxes, cylinders, arrows."""

from collections.abc import Sequence

from springtide.offline.markup import Markup, element, together

_SIZES = {"big": (15, 0.64), "bold": (13, 0.64), "": (11.5, 0.56)}
"""Class of a text → its font size in pixels and an average character's width in ems. Text is cut by these: no font is
at hand to measure with."""


def fit(text: str, width: float, class_: str = "") -> str:
    """`text` cut so that it should not be wider than `width` pixels where the page sets texts of that class."""
    size, character = _SIZES.get(class_.partition(" ")[0], _SIZES[""])
    most = int(width / (size * character))
    return text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"


def caption(  # noqa: PLR0913  where, what and how
    x: float, y: float, text: str, *, width: float = 400, class_: str = "", anchor: str | None = None
) -> Markup:
    """One line of text, cut to `width`, with the whole of it as its tooltip."""
    shown = fit(text, width, class_)
    tooltip = element("title", text) if shown != text else None
    return element("text", shown, tooltip, x=float(x), y=float(y), class_=class_ or None, text_anchor=anchor)


def heading(x: float, y: float, title: str, note: str) -> Markup:
    """A frame's title, with a note that follows it however wide the title comes out."""
    return element(
        "text", element("tspan", title, class_="big"), element("tspan", fit(note, 560), dx=10, class_="dim"),
        x=float(x), y=float(y), class_="heading",
    )  # fmt: skip


def box(  # noqa: PLR0913  a rectangle has four sides
    x: float, y: float, width: float, height: float, class_: str, *, radius: float = 6
) -> Markup:
    """A rectangle with round corners."""
    return element(
        "rect", x=float(x), y=float(y), width=float(width), height=float(height), rx=float(radius), class_=class_
    )


def moved(drawn: Markup, x: float, y: float) -> Markup:
    """What is drawn, at another place."""
    return element("g", drawn, transform=f"translate({x:g} {y:g})")


def stacked(top: int, heights: Sequence[int], *, gap: int) -> list[int]:
    """Tops of boxes with these heights, one below the other."""
    return [top + sum(heights[:index]) + gap * index for index in range(len(heights))]


def cylinder(width: int, height: int, name: str, kind: str, note: str) -> Markup:
    """A place to store things, with three lines about it."""
    body = (
        f"M0 10 V{height - 10} C0 {height + 3} {width} {height + 3} {width} {height - 10} "
        f"V10 C{width} -3 0 -3 0 10 C0 23 {width} 23 {width} 10"
    )
    return together(
        element("path", d=body, class_="storage"),
        caption(width / 2, 40, name, class_="bold", anchor="middle", width=width - 20),
        caption(width / 2, 55, kind, class_="dim", anchor="middle", width=width - 20),
        caption(width / 2, 69, note, class_="dim", anchor="middle", width=width - 8),
    )


def arrow(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """A line through points, with the head of its kind at the last."""
    (x, y), *rest = points
    way = f"M{x:g} {y:g} " + " ".join(f"L{x:g} {y:g}" for x, y in rest)
    return element("path", d=way, class_=f"arrow {kind}", marker_end=f"url(#head-{kind})")


def arrow_heads() -> Markup:
    """The heads that arrows refer to."""
    heads = (
        element(
            "marker", element("path", d="M0 0 L7 3.5 L0 7 Z", class_=f"head {kind}"), id=f"head-{kind}",
            markerWidth=7, markerHeight=7, refX=6, refY=3.5, orient="auto", markerUnits="userSpaceOnUse",
        )
        for kind in ("in", "out", "checkpoints", "data", "model")
    )  # fmt: skip
    return element("defs", *heads)
