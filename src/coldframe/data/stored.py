"""Pictures whose compressed bytes lie in an archive: opening, checking and digests follow from the bytes and the name."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod

from PIL.Image import Image

from coldframe.data.decode import decode


class Stored(ABC):
    """Pictures that a subclass finds the stored bytes of."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many there are."""

    @abstractmethod
    def bytes(self, index: int) -> bytes:
        """Return the stored bytes of picture ``index``."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return what a person would call it."""

    def open(self, index: int) -> Image:
        """Return picture ``index`` as 8-bit RGB, upright."""
        return decode(self.bytes(index), self.name(index))

    def check(self, index: int) -> None:
        """Raise :class:`DataError` when picture ``index`` does not decode."""
        decode(self.bytes(index), self.name(index), draft=True)

    def digest(self, index: int) -> str:
        """Return 32 hexadecimal digits of the stored bytes' SHA-256."""
        return hashlib.sha256(self.bytes(index)).hexdigest()[:32]
