"""Content decoding: every coding, split anywhere, cut anywhere, broken anywhere, and bombs."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.reassembly.inflate import Inflater

MIB = 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
    " GZIP ,identity, deflate": lambda data: raw_deflate(gzip.compress(data)),
    "identity": bytes,
    "": bytes,
}
ENCODINGS = st.sampled_from(sorted(PACK))
BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b'data: {"x": "', "€".encode(), b"\n\n", b"a" * 40]), max_size=30).map(b"".join),
)


def inflated(encoding: str | None, data: bytes, at: list[int] | None = None, **bound: int) -> tuple[bytes, Inflater]:
    inflater = Inflater(encoding, **bound)
    borders = sorted({0, len(data), *(at or [])})
    out = b"".join([inflater.feed(data[a:b]) for a, b in itertools.pairwise(borders)])
    inflater.finish()
    return out, inflater


def troubles(inflater: Inflater) -> list[str]:
    names = ("capped", "damaged", "truncated", "mislabelled", "unknown")
    return [name for name in names if getattr(inflater, name)]


@given(ENCODINGS, BODIES, st.data())
def test_a_split_never_shows(encoding: str, body: bytes, data: st.DataObject) -> None:
    packed = PACK[encoding](body)
    at = data.draw(st.lists(st.integers(0, len(packed)), max_size=6))
    for borders in ([], at, list(range(len(packed)))):
        out, inflater = inflated(encoding, packed, borders)
        assert (out, troubles(inflater)) == (body, [])


@given(ENCODINGS, BODIES, st.data())
def test_a_cut_body_gives_its_beginning_and_says_it_was_cut(encoding: str, body: bytes, data: st.DataObject) -> None:
    packed = PACK[encoding](body)
    keep = data.draw(st.integers(0, max(0, len(packed) - 1)))
    out, inflater = inflated(encoding, packed[:keep])
    assert body.startswith(out)
    compressed = encoding not in ("identity", "")
    assert troubles(inflater) == (["truncated"] if keep and compressed else [])


@given(ENCODINGS, BODIES, st.data())
def test_a_broken_body_never_raises_and_splits_agree_on_the_trouble(
    encoding: str, body: bytes, data: st.DataObject
) -> None:
    packed = bytearray(PACK[encoding](body))
    packed.insert(data.draw(st.integers(0, len(packed))), data.draw(st.integers(0, 255)))
    for _ in range(data.draw(st.integers(0, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    at = data.draw(st.lists(st.integers(0, len(packed)), max_size=6))
    whole, _ = inflated(encoding, bytes(packed))
    parts, _ = inflated(encoding, bytes(packed), at)
    assert whole.startswith(parts) or parts.startswith(whole)


@given(st.sampled_from(["gzip", "deflate"]), st.binary(min_size=1, max_size=300), st.data())
def test_gzip_and_deflate_give_all_that_stands_before_the_broken_byte(
    encoding: str, body: bytes, data: st.DataObject
) -> None:
    packed = bytearray(PACK[encoding](body))
    packed[data.draw(st.integers(2, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    at = data.draw(st.lists(st.integers(0, len(packed)), max_size=6))
    whole, one = inflated(encoding, bytes(packed))
    parts, other = inflated(encoding, bytes(packed), at)
    assert (whole, troubles(one)) == (parts, troubles(other))


@given(st.one_of(ENCODINGS, st.text(max_size=20)), st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_and_no_name_make_it_raise(encoding: str, parts: list[bytes]) -> None:
    inflater = Inflater(encoding)
    for part in parts:
        inflater.feed(part)
    inflater.finish()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_checksum_or_a_stream_that_does_not_hold_is_damage(encoding: str) -> None:
    packed = bytearray(PACK[encoding](b"some text that is long enough to be packed " * 20))
    packed[len(packed) // 2] ^= 0xFF
    packed[-1] ^= 0xFF
    _, inflater = inflated(encoding, bytes(packed))
    assert inflater.damaged or inflater.truncated


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_a_bomb_gives_no_more_than_the_bound(encoding: str) -> None:
    bomb = PACK[encoding](bytes(48 * MIB))
    out, inflater = inflated(encoding, bomb, list(range(0, len(bomb), 4096)), bytes_max=MIB)
    assert len(out) == MIB
    assert troubles(inflater) == ["capped"]
    assert inflater.feed(b"more") == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_one_read_does_not_explode(encoding: str) -> None:
    out, inflater = inflated(encoding, PACK[encoding](bytes(9 * MIB)))
    assert (len(out), troubles(inflater)) == (8 * MIB, ["capped"])


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity"])
def test_the_bound_itself_is_not_beyond_it(encoding: str) -> None:
    body = bytes(range(256)) * 16
    packed = PACK[encoding](body)
    out, inflater = inflated(encoding, packed, bytes_max=4096)
    assert (out, inflater.capped) == (body, False)
    out, inflater = inflated(encoding, packed, bytes_max=4095)
    assert (out, inflater.capped) == (body[:4095], True)


def test_gzip_members_follow_each_other_and_padding_is_ignored() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0\0"
    out, inflater = inflated("gzip", packed)
    assert (out, troubles(inflater)) == (b"one two", [])


def test_zstd_frames_follow_each_other() -> None:
    packed = PACK["zstd"](b"one ") + PACK["zstd"](b"two")
    assert inflated("zstd", packed)[0] == b"one two"


def test_a_zstd_window_beyond_the_standard_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    out, inflater = inflated("zstd", packer.compress(b"x" * 100) + packer.flush())
    assert (out, troubles(inflater)) == (b"", ["damaged"])


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_text_under_the_name_of_a_coding_passes(encoding: str) -> None:
    out, inflater = inflated(encoding, b'data: {"a":1}\n\n', [3])
    assert (out, troubles(inflater)) == (b'data: {"a":1}\n\n', ["mislabelled"])


def test_an_unknown_coding_passes_as_http_clients_let_it() -> None:
    out, inflater = inflated("rot13", b"qngn")
    assert (out, troubles(inflater), inflater.unknown) == (b"qngn", ["unknown"], "rot13")


def test_an_empty_body_is_not_truncated() -> None:
    assert troubles(inflated("gzip", b"")[1]) == []


def test_every_event_of_a_flushed_stream_comes_out_with_its_read() -> None:
    packer = zlib.compressobj(wbits=31)
    inflater = Inflater("gzip")
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        assert inflater.feed(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)) == event
