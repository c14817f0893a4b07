"""Golden bytes guard the contract: what stands in `golden/` was published once, and is read for ever.

`NAME.1.hex` and `NAME.1.json` hold what the first version wrote for the sample of that name. Never change them. Where a
field is appended, today's writer writes more: add `NAME.2.hex` beside the first; both must be read.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from contract_samples import CONTENTS, FRAMES, RECORDS
from streamgauge.schemas import codec

GOLDEN = Path(__file__).parent / "golden"


def hex_bytes(path: Path) -> bytes:
    """The bytes of a file that holds them as hexadecimal, with comments."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in path.read_text("utf-8").splitlines()))


def json_bytes(path: Path) -> bytes:
    return path.read_bytes().rstrip(b"\n")


def editions(name: str, kind: str) -> list[Path]:
    """All golden files of a sample, oldest first."""
    return sorted(GOLDEN.glob(f"{name}.*.{kind}"), key=lambda path: int(path.name.split(".")[1]))


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_written_as_it_always_was(name: str) -> None:
    assert codec.encode(FRAMES[name]).hex() == hex_bytes(editions(name, "hex")[-1]).hex()


@pytest.mark.parametrize("name", FRAMES)
def test_every_edition_of_a_frame_is_read(name: str) -> None:
    for edition in editions(name, "hex"):
        assert codec.decode(hex_bytes(edition)) == FRAMES[name]


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_written_as_it_always_was(name: str) -> None:
    assert codec.encode_record(RECORDS[name]) == json_bytes(editions(name, "json")[-1])


@pytest.mark.parametrize("name", RECORDS)
def test_every_edition_of_a_record_is_read(name: str) -> None:
    for edition in editions(name, "json"):
        assert codec.decode_record(json_bytes(edition)) == RECORDS[name]


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_are_written_as_they_always_were(name: str) -> None:
    assert codec.encode_contents(CONTENTS[name]) == json_bytes(editions(name, "json")[-1])


@pytest.mark.parametrize("name", CONTENTS)
def test_every_edition_of_contents_is_read(name: str) -> None:
    for edition in editions(name, "json"):
        assert codec.decode_contents(json_bytes(edition)) == CONTENTS[name]


def test_every_golden_file_has_its_sample() -> None:
    names = {path.name.split(".")[0] for path in GOLDEN.iterdir()}
    assert names == set(FRAMES) | set(RECORDS) | set(CONTENTS)


def test_every_kind_of_frame_has_a_sample_with_every_field_set() -> None:
    """A field left at its default would have no golden bytes of its own."""
    full = [frame for name, frame in FRAMES.items() if name.endswith("_full")]
    for frame in full:
        defaults = dict(zip(reversed(frame.__struct_fields__), reversed(frame.__struct_defaults__), strict=False))
        unset = {name for name, default in defaults.items() if getattr(frame, name) == default}
        assert unset <= {"chunks"}, type(frame).__name__  # a segment has chunks or sizes
    assert {type(frame) for frame in full} | {type(FRAMES["tick"])} == {type(frame) for frame in FRAMES.values()}
