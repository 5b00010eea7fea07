"""Text to learn from, split once and for all into a training part and a held-out part."""

import hashlib
import pydoc_data.topics
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from springtide_workloads.errors import ConfigError
from springtide_workloads.storage import Store

Text = NDArray[np.uint8]

HELD_OUT_ONE_IN: Final = 10
"""One paragraph in so many is held out, chosen by its own digest: more text never moves a paragraph across."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Bytes of UTF-8 text. No paragraph occurs twice, so none lies in both parts."""

    train: Text
    held_out: Text
    source: str


def load(url: str | None, *, at_least: int) -> Corpus:
    """The text below `url`: every `*.txt`, in order of path. None: the language reference in `pydoc_data.topics`.

    Args:
        url: where the text lies.
        at_least: bytes that each part must have.

    Raises:
        ConfigError: when a part is shorter than that.
        StorageError: when the text cannot be read.
    """
    corpus = split(_stored(url) if url else _shipped(), source=url or "pydoc_data.topics of CPython")
    shortest = min(corpus.train.size, corpus.held_out.size)
    if shortest < at_least:
        raise ConfigError(
            f"{corpus.source} has too little text: a part of it has {shortest} bytes and the recipe needs {at_least}. "
            "Point SPRINGTIDE_DATA_URL at more *.txt files, or take a recipe with a smaller context."
        )
    return corpus


def split(texts: list[str], *, source: str) -> Corpus:
    """Drops repeated paragraphs and holds out every tenth or so of the rest."""
    paragraphs = dict.fromkeys(p for text in texts for p in text.split("\n\n") if p.strip())
    kept: list[str] = []
    held: list[str] = []
    for paragraph in paragraphs:
        (held if is_held_out(paragraph.encode()) else kept).append(paragraph)
    return Corpus(train=_bytes(kept), held_out=_bytes(held), source=source)


def is_held_out(document: bytes, *, one_in: int = HELD_OUT_ONE_IN) -> bool:
    """Whether a piece of text is for evaluation. Its digest alone decides, so equal pieces always lie on one side."""
    return int.from_bytes(hashlib.sha256(document).digest()[:8]) % one_in == 0


def _bytes(paragraphs: list[str]) -> Text:
    return np.frombuffer("\n\n".join(paragraphs).encode(), dtype=np.uint8)


def _shipped() -> list[str]:
    topics = pydoc_data.topics.topics
    return [topics[name] for name in sorted(topics)]


def _stored(url: str) -> list[str]:
    store = Store(url)
    found = (store.read(path) for path in store.files("") if path.endswith(".txt"))
    return [text.decode(errors="replace") for text in found if text is not None]
