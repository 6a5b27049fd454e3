"""Pages as gzip, with pieces kept from one to the next."""

import subprocess
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.pieces import Kept, Piece, gzipped, plain

TEXTS = st.binary(max_size=300) | st.binary(max_size=20).map(lambda text: text * 500)


def pieces(texts: list[bytes], kept: list[Kept | None]) -> list[Piece]:
    """Return a page of these texts."""
    return [
        Piece(lambda text=text: text, keep)  # type: ignore[misc]  # a default binds it
        for text, keep in zip(texts, kept, strict=True)
    ]


def unpacked(data: bytes) -> bytes:
    """Return the text of one gzip member, which must be all there is; zlib checks its checksum."""
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    text = stream.decompress(data)
    assert stream.eof
    assert stream.unused_data == b""
    return text


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=8))
def test_gzip_holds_the_page(parts: list[tuple[bytes, bool]]) -> None:
    """Whichever pieces are kept, the first page and the second one are whole gzip members."""
    texts = [text for text, _ in parts]
    kept = [Kept() if keep else None for _, keep in parts]

    first, second = gzipped(pieces(texts, kept)), gzipped(pieces(texts, kept))

    assert unpacked(first) == unpacked(second) == b"".join(texts)


def test_the_program_gzip_reads_it() -> None:
    """What the world's oldest client reads, all do."""
    texts = [b"a line\n" * 1000, b"another\n" * 1000, b"", b"the last\n"]
    data = gzipped(pieces(texts, [None, Kept(), Kept(), None]))

    done = subprocess.run(["gzip", "--decompress"], input=data, capture_output=True, check=True)

    assert done.stdout == b"".join(texts)
    assert done.stderr == b""


def test_a_kept_text_is_made_once() -> None:
    """The second page takes a kept piece as it is, without its text."""
    made: list[str] = []

    def text() -> bytes:
        made.append("text")
        return b"ended\n"

    page = [Piece(text, Kept())]
    first, second = gzipped(page), gzipped(page)

    assert made == ["text"]
    assert first == second


def test_a_plain_page_has_every_text() -> None:
    """Who takes no gzip gets the texts, kept or not."""
    assert plain(pieces([b"a", b"b"], [None, Kept(b"x", 1, 1)])) == b"ab"
