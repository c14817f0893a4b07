"""The fuse: bad data is normal, a wrong topic is not."""

from streamgauge.processors.engine.fuse import FUSE_RECORDS, FUSE_UNREADABLE_MAX, Fuse


def worked(fuse: Fuse, records: int, *, unreadable: int) -> None:
    for number in range(records):
        if number < unreadable:
            fuse.unreadable()
        fuse.worked()


def test_half_of_a_block_may_be_unreadable() -> None:
    fuse = Fuse()
    for _ in range(10):
        worked(fuse, FUSE_RECORDS, unreadable=FUSE_UNREADABLE_MAX)
    assert not fuse.blown


def test_more_than_half_of_a_block_blows_it_for_good() -> None:
    fuse = Fuse()
    worked(fuse, FUSE_RECORDS, unreadable=FUSE_UNREADABLE_MAX + 1)
    assert fuse.blown
    worked(fuse, 10 * FUSE_RECORDS, unreadable=0)
    assert fuse.blown


def test_a_small_topic_of_junk_alone_does_not_blow_it() -> None:
    fuse = Fuse()
    worked(fuse, FUSE_UNREADABLE_MAX, unreadable=FUSE_UNREADABLE_MAX)
    assert not fuse.blown
