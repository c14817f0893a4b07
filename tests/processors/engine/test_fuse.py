"""The fuse: bad data is normal, a wrong topic is not."""

from __future__ import annotations

from streamgauge.processors.engine.fuse import FUSE_RECORDS, FUSE_UNREADABLE_MAX, Fuse


def unreadable(fuse: Fuse, offsets: range) -> None:
    for offset in offsets:
        fuse.unreadable(offset)


def test_every_second_record_may_be_unreadable() -> None:
    fuse = Fuse()
    unreadable(fuse, range(0, 100 * FUSE_RECORDS, 2))
    assert not fuse.blown


def test_a_block_of_junk_between_frames_is_not_enough() -> None:
    fuse = Fuse()
    for start in range(0, 50 * FUSE_RECORDS, FUSE_RECORDS):
        unreadable(fuse, range(start, start + FUSE_UNREADABLE_MAX))
    assert not fuse.blown


def test_more_than_half_of_a_thousand_blows_it_for_good() -> None:
    fuse = Fuse()
    unreadable(fuse, range(FUSE_UNREADABLE_MAX))
    assert not fuse.blown
    fuse.unreadable(FUSE_RECORDS - 1)
    assert fuse.blown
    fuse.unreadable(10 * FUSE_RECORDS)
    assert fuse.blown


def test_a_letter_of_long_ago_counts_no_more() -> None:
    fuse = Fuse()
    unreadable(fuse, range(FUSE_UNREADABLE_MAX))
    fuse.unreadable(FUSE_RECORDS)
    assert not fuse.blown
