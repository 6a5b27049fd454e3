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
_POLYNOMIAL = 0xEDB88320  # RFC 1952, section 8, without its highest power
_ONE = 1 << 31  # x^0: the bits of a checksum stand in reverse order
_A_BYTE = 1 << 23  # x^8
# Level 1 makes a page 6 times smaller; level 9, at six times the cost, 9 times.
_LEVEL = 1


@dataclass(slots=True)
class Kept:
    """Where the compressed form of a piece is kept: raw deflate, ended on a whole byte.

    Attributes:
        deflated: empty before it was first needed.
        checksum: CRC-32 of the text.
        size: bytes of the text.
        shift: what so many bytes do to the checksum of the text before them; see ``_shift``.
    """

    deflated: bytes = b""
    checksum: int = 0
    size: int = 0
    shift: int = 0

    def fill(self, text: bytes) -> None:
        """Keep the compressed form of a text."""
        stream = _deflate()
        deflated = stream.compress(text) + stream.flush(zlib.Z_FULL_FLUSH)
        self.checksum, self.size, self.shift = zlib.crc32(text), len(text), _shift(len(text))
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
    is_flushed = True  # a flush costs as much as writing a kept piece
    for piece in pieces:
        kept = piece.kept
        if kept is None:
            text = piece.text()
            parts.append(stream.compress(text))
            is_flushed = False
            checksum, size = zlib.crc32(text, checksum), size + len(text)
            continue
        if not kept.deflated:
            kept.fill(piece.text())
        if not is_flushed:
            parts.append(stream.flush(zlib.Z_FULL_FLUSH))
            is_flushed = True
        parts.append(kept.deflated)
        checksum = _multiplied(checksum, kept.shift) ^ kept.checksum
        size += kept.size
    parts += (stream.flush(), struct.pack("<LL", checksum, size & 0xFFFFFFFF))
    return b"".join(parts)


def _deflate() -> "zlib._Compress":
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)


def _shift(size: int) -> int:
    """Return x to the power of so many bytes, modulo CRC-32's polynomial.

    A checksum is the rest of a division of polynomials, so that of two texts is that of the first
    one times this, plus that of the second: zlib's ``crc32_combine``, which Python does not have.
    """
    power, factor = _ONE, _A_BYTE
    while size:
        if size & 1:
            power = _multiplied(power, factor)
        factor = _multiplied(factor, factor)
        size >>= 1
    return power


def _multiplied(first: int, second: int) -> int:
    """Return the product of two polynomials, modulo CRC-32's; the highest bit is that of x^0."""
    product = 0
    while second:
        if second & _ONE:
            product ^= first
        first = first >> 1 ^ (_POLYNOMIAL if first & 1 else 0)
        second = second << 1 & 0xFFFFFFFF
    return product
