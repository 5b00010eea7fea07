"""From the bytes that a model gives to text that may be sent: a character is never split."""

import codecs


class Text:
    """Bytes in, whole characters out. What is not UTF-8 becomes a replacement character, where Python puts it."""

    def __init__(self, given: bytes = b"") -> None:
        """An empty text.

        Args:
            given: bytes that came before, whose characters are told already.
        """
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder.decode(given)

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """The characters that these bytes complete; with `last`, also what will never be complete."""
        return self._decoder.decode(data, last)
