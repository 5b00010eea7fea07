"""HTML and SVG by construction: what is not markup already is escaped, so that no name in a plan can become markup."""

from html import escape

from springtide.offline.report import printable


class Markup(str):
    """Text that is markup; only this module makes it from text that is not."""

    __slots__ = ()


_VOID = frozenset({"meta", "br", "circle", "ellipse", "line", "path", "rect"})
"""Elements of ours that have no content."""


def element(tag: str, *children: str | None, **attributes: object) -> Markup:
    """One element; None among the children or attribute values is left out.

    Args:
        tag: Element name.
        children: Markup as it is, any other text escaped.
        attributes: A trailing underscore is dropped (`class_`), others become hyphens (`text_anchor`).
    """
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    head = "".join(f' {name}="{escape(printable(_number(value)))}"' for name, value in given.items())
    if tag in _VOID and not children:
        return Markup(f"<{tag}{head}/>")
    return Markup(f"<{tag}{head}>{together(*children)}</{tag}>")


def together(*children: str | None) -> Markup:
    """Several pieces, one after the other."""
    return Markup(
        "".join(child if isinstance(child, Markup) else escape(printable(child)) for child in children if child)
    )


def _number(value: object) -> object:
    """Coordinates with one decimal at most: shorter, and the same bytes on every machine."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
