"""What the transport overrides and calls beyond the public face of Faust and aiokafka.

Versions of both are pinned, and these hashes pin what is behind them: when an update changes one of these sources, the
test fails, and somebody reads the difference before trusting the transport to it. Then:

    python tests/processors/engine/test_borrowed.py        prints the hashes as they are now
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport import consumer as stock
from faust.transport.drivers import aiokafka as driver
from mode.services import Service

Borrowed = Callable[..., Any]

OVERRIDDEN: dict[Borrowed, str] = {
    stock.Consumer._drain_messages: "62f38b9045f86d38",
    driver.Consumer._new_consumer_thread: "cd26d06ef170e339",
    driver.AIOKafkaConsumerThread.on_start: "5152fc5a11244bef",
    PartitionRecords._consumer_record: "fd8ce58380b5eec3",
    stock.Consumer.perform_seek: "cdb1c23be72444d9",
    stock.Consumer.on_buffer_full: "f2d1c652aada0457",
    App.on_first_start: "b2c6b20bff32bb6f",
    driver.Consumer.verify_event_path: "cac9905ae91e40f1",
}

CALLED: dict[Borrowed, str] = {
    stock.Consumer._wait_next_records: "e136f4b4145a5fc6",
    driver.AIOKafkaConsumerThread._ensure_consumer: "cedc7201f502934a",
    driver.AIOKafkaConsumerThread.highwater: "65ded4bbd52b7014",
    AIOKafkaConsumer.seek: "d72a16483845fd03",
    AIOKafkaConsumer.commit: "cefbff7646a7420e",
    AIOKafkaConsumer.committed: "329b6b6f653d4cb1",
    AIOKafkaConsumer.highwater: "398a47b62366b49e",
    SubscriptionState.seek: "b70b4409b8422395",
}

RELIED_ON: dict[Borrowed, str] = {
    stock.Consumer.getmany: "b52f9633363999d5",  # what `_deliver_next` replaces
    stock.Consumer.ack: "f2deb799bcdee460",  # nothing is acknowledged, so nothing is committed
    stock.Consumer.stop_flow: "e8a58a4e8a746e49",
    stock.Consumer.resume_flow: "a987c626ffe3da39",
    stock.Fetcher._fetcher.fun: "7c70f3830df7a37b",
    driver.AIOKafkaConsumerThread._fetch_records: "75048a2cb7dad1b1",
    driver.ConsumerRebalanceListener.on_partitions_revoked: "450555faa428abe8",
    driver.ConsumerRebalanceListener.on_partitions_assigned: "fd0b710fe6b309dc",
    App._on_partitions_revoked: "94de451821f0feca",  # sends the signal while commits are still possible
    App._on_partitions_assigned: "52c3d52affc6b14a",
    App._stop_consumer: "0df1511054558f89",
    App.on_stop: "438d14711fe00cd4",  # sends `on_before_shutdown` while the consumer lives
    Recovery._resume_streams: "66178e8c74830fcf",  # `on_rebalance_complete`, then `perform_seek`, then the flow
    Fetcher.fetched_records: "ebd619f5972c689b",  # one fetch result of a partition a call
    Fetcher._proc_fetch_request: "d081c7a2d07b3eda",  # keeps what it fetched in `_records`
    FetchResult.getall: "5c3427bd305619c8",  # asks the records it keeps, one by one
    PartitionRecords._unpack_records: "9b11186ba8898cb8",
    Fetcher.seek_to: "c75b14833eca5fcc",
    GroupCoordinator.commit_offsets: "732f499237e3e4c1",  # which errors mean that the group has moved on
    Service.wait_first: "a85c8ae4749ec4b4",
    Service.stop: "b9d212c0dbd37a94",
}


def digest(borrowed: Borrowed) -> str:
    """A hash of the function's source, comment lines and indentation left out."""
    lines = (line.strip() for line in inspect.getsource(borrowed).splitlines())
    return hashlib.sha256("\n".join(line for line in lines if not line.startswith("#")).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("borrowed", "known"),
    [*OVERRIDDEN.items(), *CALLED.items(), *RELIED_ON.items()],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_what_we_build_on_is_what_we_have_read(borrowed: Borrowed, known: str) -> None:
    assert digest(borrowed) == known, f"{borrowed.__module__}.{borrowed.__qualname__} has changed: read it again"


if __name__ == "__main__":
    for table in (OVERRIDDEN, CALLED, RELIED_ON):
        for borrowed in table:
            print(borrowed.__qualname__, digest(borrowed))  # noqa: T201 - that is its job here
