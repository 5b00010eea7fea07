"""Keys: who may ask this server."""

import hmac
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from springtide_workloads.errors import ConfigError
from springtide_workloads.tell import tell

_HEADER, _SCHEME = b"authorization", b"bearer"


class Keys:
    """The keys in a file, one a line, read again whenever the file is another: a key is taken back without a restart."""

    def __init__(self, file: Path) -> None:
        """Read the file.

        Raises:
            ConfigError: it cannot be read, or holds no key.
        """
        self._file = file
        try:
            self._seen, self._digests = _version(file), _digests(file)
        except OSError as error:
            raise ConfigError(f"the keys cannot be read from {file}: {error.strerror}") from error
        if not self._digests:
            raise ConfigError(f"{file} holds no key: write one a line")

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request with these headers carries one of the keys. How long it takes tells nothing about them."""
        self._refresh()
        schemes = (value.strip().partition(b" ") for name, value in headers if name.lower() == _HEADER)
        given = [sha256(key.strip()).digest() for scheme, _, key in schemes if scheme.lower() == _SCHEME]
        same = [hmac.compare_digest(one, known) for one in given for known in self._digests]
        return len(given) == 1 and any(same)

    def _refresh(self) -> None:
        """Take the file as it is now; while it is not there, being replaced say, what it said last holds."""
        try:
            if (now := _version(self._file)) != self._seen:
                self._digests, self._seen = _digests(self._file), now
                tell(f"{self._file} holds {len(self._digests)} keys now")
        except OSError as error:
            tell(f"{self._file} cannot be read again: {error.strerror}")


def _version(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _digests(file: Path) -> tuple[bytes, ...]:
    """Digests instead of keys: all are of one length, so a comparison does not tell how long a key is."""
    return tuple(sha256(line.strip()).digest() for line in file.read_bytes().splitlines() if line.strip())
