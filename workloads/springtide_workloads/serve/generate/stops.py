"""Stop sequences: where a text ends, and what of it may be told already."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settled:
    """What a new byte settles."""

    data: bytes
    """Bytes that belong to the text whatever comes."""
    stopped: bool


class Watch:
    """Reads a text byte by byte and keeps back what may be the beginning of a stop sequence."""

    def __init__(self, stops: tuple[bytes, ...]) -> None:
        # the longest first: of those that end at one place, the one that began first decides
        self._stops = sorted(stops, key=len, reverse=True)
        self._kept = b""

    def feed(self, byte: int) -> Settled:
        """What is settled now that this byte has come."""
        if not self._stops:
            return Settled(bytes((byte,)), stopped=False)
        text = self._kept + bytes((byte,))
        ended = next((stop for stop in self._stops if text.endswith(stop)), None)
        if ended is not None:
            self._kept = b""
            return Settled(text[: len(text) - len(ended)], stopped=True)
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._kept = text[len(text) - keep :]
        return Settled(text[: len(text) - keep], stopped=False)

    def rest(self) -> bytes:
        """What was kept back, when nothing comes any more."""
        return self._kept


def _overlap(text: bytes, stop: bytes) -> int:
    """Bytes at the end of the text with which `stop` begins."""
    longest = min(len(text), len(stop) - 1)
    return next(count for count in range(longest, -1, -1) if text.endswith(stop[:count]))
