"""What an admin client meets becomes an error of ours; what it does on a broker is in `integration`."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, TopicAuthorizationFailedError

from streamgauge.processors.engine import admin
from streamgauge.processors.engine.errors import EngineError, RefusalError, UnreachableError
from streamgauge.processors.settings import Settings, load


class Admin:
    """Connects; what is asked of it fails."""

    def __init__(self, **_: Any) -> None:
        self.closed = False

    async def start(self) -> None:
        """It is there."""

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (NodeNotReadyError("node 1"), UnreachableError, "advertised.listeners"),
        (TimeoutError(), UnreachableError, "advertised.listeners"),
        (KafkaConnectionError("reset"), UnreachableError, "no broker answers at 'kafka:9092'"),
        (TopicAuthorizationFailedError(), RefusalError, "'kafka:9092' refuses: .*TopicAuthorizationFailedError"),
    ],
)
async def test_what_a_client_meets_is_said_in_a_line_that_names_the_broker(
    monkeypatch: pytest.MonkeyPatch, error: KafkaError | TimeoutError, kind: type[EngineError], says: str
) -> None:
    async def reached(_: Settings) -> None:
        return

    monkeypatch.setattr(admin, "AIOKafkaAdminClient", Admin)
    monkeypatch.setattr(admin, "reach", reached)
    with pytest.raises(kind, match=says):
        async with admin.connected(load(bootstrap_servers="kafka:9092")) as client:
            raise error
    assert client.closed
