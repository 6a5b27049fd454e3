"""The pieces that a page is made of, and what a gzip of them may keep from one page to the next.

Most of a page is about jobs that have ended, and does not change any more. Making its text and
compressing it takes nearly all of a page's time, so the compressed form of such a piece is kept, at
a tenth of the text's size. It fits into any gzip stream that forgets at this point what came
before (RFC 1951, section 3.2.3: a block refers back only as far as it likes).
"""

import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# RFC 1952, section 2.3: deflate, no name, no time, the fastest algorithm, an unknown system.
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"
# Level 1 makes a page 6 times smaller; level 9, at six times the cost, 9 times.
_LEVEL = 1


@dataclass(slots=True)
class Kept:
    """Where the compressed form of a piece is kept: raw deflate, ended on a whole byte.

    Attributes:
        deflated: empty before it was first needed.
        checksum: CRC-32 of the text.
        size: bytes of the text.
    """

    deflated: bytes = b""
    checksum: int = 0
    size: int = 0

    def fill(self, text: bytes) -> None:
        """Keep the compressed form of a text."""
        stream = _deflate()
        deflated = stream.compress(text) + stream.flush(zlib.Z_FULL_FLUSH)
        self.checksum, self.size = zlib.crc32(text), len(text)
        self.deflated = deflated  # last: another thread may look


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a page.

    Attributes:
        text: makes it.
        kept: for a text that will be the same each time.
    """

    text: Callable[[], bytes]
    kept: Kept | None = None


def plain(pieces: Iterable[Piece]) -> bytes:
    """Return the page as it is."""
    return b"".join([piece.text() for piece in pieces])


def gzipped(pieces: Iterable[Piece]) -> bytes:
    """Return the page as one gzip member, so that every client can read it."""
    parts = [_HEADER]
    stream, checksum, size = _deflate(), 0, 0
    for piece in pieces:
        kept = piece.kept
        if kept is None:
            text = piece.text()
            parts.append(stream.compress(text))
            checksum, size = zlib.crc32(text, checksum), size + len(text)
            continue
        if not kept.deflated:
            kept.fill(piece.text())
        parts += (stream.flush(zlib.Z_FULL_FLUSH), kept.deflated)
        checksum, size = _joined(checksum, kept), size + kept.size
    parts += (stream.flush(), struct.pack("<LL", checksum, size & 0xFFFFFFFF))
    return b"".join(parts)


def _deflate() -> "zlib._Compress":
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)


def _joined(checksum: int, following: Kept) -> int:
    """Return the CRC-32 of two texts, the second one unseen.

    CRC-32 is linear: what the first text does to the checksum of both is what it does to that of
    as many zeros.
    """
    zeros = bytes(following.size)
    return zlib.crc32(zeros, checksum) ^ zlib.crc32(zeros) ^ following.checksum
