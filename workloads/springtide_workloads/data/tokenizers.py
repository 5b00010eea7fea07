"""From text to tokens: bytes as they are, or a Hugging Face `tokenizers` file."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from springtide_workloads.data.shards import digest
from springtide_workloads.errors import ConfigError

ENDS: Final = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]")
"""What tokenizers call the end of a document, when nobody says it."""


class Tokenizer(Protocol):
    """What packing needs."""

    @property
    def vocab(self) -> int:
        """Tokens that may come out are below it."""

    @property
    def about(self) -> dict[str, Any]:
        """What the manifest says of it."""

    @property
    def file(self) -> bytes | None:
        """What is kept beside the shards as `tokenizer.json`, so that the text can be had back."""

    def encode(self, texts: Sequence[bytes]) -> list[NDArray[Any]]:
        """Tokens of each document, and of what ends it."""


class Bytes:
    """Every byte of UTF-8 is a token; an empty line ends a document."""

    vocab: Final = 256
    about: Final[dict[str, Any]] = {"kind": "bytes", "end": "\n\n"}
    file: Final = None

    def encode(self, texts: Sequence[bytes]) -> list[NDArray[Any]]:
        """The bytes themselves."""
        return [np.frombuffer(text + b"\n\n", dtype=np.uint8) for text in texts]


class TokenizersFile:
    """A `tokenizer.json`, read by the `tokenizers` package."""

    def __init__(self, data: bytes, tokenizer: Any, end: str) -> None:
        self.file = data
        self.about: dict[str, Any] = {"kind": "tokenizers", "sha256": digest(data), "end": end}
        self._tokenizer = tokenizer
        self._end = tokenizer.token_to_id(end)
        self.vocab = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())

    @classmethod
    def read(cls, path: Path, end: str | None) -> Self:
        """Reads the file.

        Raises:
            ConfigError: without the package, the file, or a token that ends a document.
        """
        try:
            package = importlib.import_module("tokenizers")  # optional: bytes need nothing
        except ImportError as error:
            raise ConfigError("--tokenizer needs tokenizers: pip install 'springtide-workloads[data]'") from error
        try:
            data = path.read_bytes()
            tokenizer = package.Tokenizer.from_buffer(data)
        except Exception as error:  # the package raises bare exceptions
            raise ConfigError(f"--tokenizer {path} cannot be read: {error}") from error
        known = [name for name in ([end] if end else ENDS) if tokenizer.token_to_id(name) is not None]
        if len(known) != 1:
            raise ConfigError(
                f"--tokenizer {path} has {len(known)} tokens of {', '.join([end] if end else ENDS)}: "
                "name the token that ends a document with --end"
            )
        return cls(data, tokenizer, known[0])

    def encode(self, texts: Sequence[bytes]) -> list[NDArray[Any]]:
        """Tokens without those that the tokenizer would add around a text by itself, and the end."""
        decoded = [text.decode(errors="replace") for text in texts]
        found = self._tokenizer.encode_batch(decoded, add_special_tokens=False)
        return [np.array([*each.ids, self._end], dtype=np.uint32) for each in found]
