"""Which call and attempt a request belongs to: retries, redirects, authentication, resumption, calls named by users."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from streamgauge.producers import calls as calls_module
from streamgauge.producers.asked import Asked
from streamgauge.producers.calls import Calls, Place, response_id_in
from streamgauge.producers.events import Said
from streamgauge.producers.testing import CountingIds
from streamgauge.schemas.words import AttemptKind

CHAT = "/v1/chat/completions"
NAMED = b"named by a user."


class Desk:
    """Places requests one after the other, as the gauge's thread does."""

    def __init__(self, **options: Any) -> None:
        self.ids = CountingIds()
        self.calls = Calls(self.ids, **options)
        self.serial = -1

    def asks(self, *, before: int | None = None, said: Said | None = None, **asked: Any) -> Place:
        """A request comes; it is link `self.serial`."""
        self.serial += 1
        request = Asked(**{"method": "POST", "host": "api", "path": CHAT, "client": 1, "body": b"{}", **asked})
        digest = None if request.body is None else hashlib.sha256(request.body).digest()
        return self.calls.place(
            self.serial, request, said or Said(), call=self.ids.call(), digest=digest, before=before
        )

    def answers(self, status: int, location: str | None = None) -> None:
        """The latest link got its response headers."""
        self.calls.answered(self.serial, status, location)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_request_alone_is_a_call_of_its_own(desk: Desk) -> None:
    one, two = desk.asks(), desk.asks(before=0)
    assert one.attempt.call.id != two.attempt.call.id
    assert (one.kind, one.attempt.number, one.link_no, one.after, one.parent) == (AttemptKind.FIRST, 0, 0, None, None)


def test_an_sdk_that_asks_again_makes_attempts_of_one_call(desk: Desk) -> None:
    first = desk.asks()
    desk.answers(429)
    second = desk.asks(before=0, retry_count=1)
    third = desk.asks(before=1, retry_count=2)
    assert first.attempt.call is second.attempt.call is third.attempt.call
    assert [place.attempt.number for place in (first, second, third)] == [0, 1, 2]
    assert (second.kind, second.parent, third.parent) == (AttemptKind.SDK_RETRY, 0, 1)
    assert (second.link_no, second.after) == (0, None), "an attempt of its own, not a link"


@pytest.mark.parametrize(
    "different",
    [
        {"retry_count": 0},
        {"client": 2},
        {"body": b'{"other": 1}'},
        {"body": None},
        {"path": "/v1/responses"},
        {"host": "elsewhere"},
        {"method": "PUT"},
        {"before": None},
        {"before": 77},
    ],
)
def test_whatever_differs_makes_it_another_call(desk: Desk, different: dict[str, Any]) -> None:
    first = desk.asks()
    second = desk.asks(**{"before": 0, "retry_count": 1, **different})
    assert first.attempt.call is not second.attempt.call


def test_a_repeated_retry_count_is_no_retry_of_that_link(desk: Desk) -> None:
    desk.asks()
    retry = desk.asks(before=0, retry_count=1)
    assert desk.asks(before=1, retry_count=1).attempt.call is not retry.attempt.call


@pytest.mark.parametrize(
    "location", ["/v2/chat", "https://api/v2/chat?x=1", "https://api:443/v2/chat", "../../v2/chat"]
)
def test_a_redirect_is_followed_as_an_attempt(desk: Desk, location: str) -> None:
    desk.asks()
    desk.answers(307, location)
    place = desk.asks(before=0, path="/v2/chat")
    assert (place.kind, place.attempt.number, place.parent) == (AttemptKind.REDIRECT, 1, 0)


def test_a_retry_after_a_redirect_starts_where_the_chain_began(desk: Desk) -> None:
    first = desk.asks()
    desk.answers(307, "https://other/v2/chat")
    desk.asks(before=0, host="other", path="/v2/chat")
    desk.answers(503)
    retry = desk.asks(before=1, retry_count=1)
    assert (retry.attempt.call, retry.attempt.number) == (first.attempt.call, 2)
    assert (retry.kind, retry.parent) == (AttemptKind.SDK_RETRY, 1)


def test_a_request_elsewhere_after_a_redirect_is_another_call(desk: Desk) -> None:
    first = desk.asks()
    desk.answers(307, "/v2/chat")
    assert desk.asks(before=0).attempt.call is not first.attempt.call


class _Sent:
    """Stands for the stream of a request that was sent before."""

    def __init__(self, serial: int) -> None:
        self.serial = serial


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AttemptKind.AUTH), (407, AttemptKind.AUTH), (500, AttemptKind.FIRST)]
)
def test_the_same_request_object_after_a_401_is_an_authentication_flow(
    desk: Desk, status: int, kind: AttemptKind
) -> None:
    desk.asks()
    desk.answers(status)
    assert desk.asks(again=_Sent(0)).kind is kind


def test_a_response_that_is_streamed_again_gets_a_link_of_its_attempt(desk: Desk) -> None:
    begun = desk.asks(path="/v1/responses")
    desk.calls.responds("resp_1", begun.attempt)
    resumed = desk.asks(method="GET", path="/v1/responses/resp_1", query="stream=true&starting_after=7", body=None)
    again = desk.asks(method="GET", path="/v1/responses/resp_1", query="stream=true", body=None, last_event_id="9")
    assert resumed.attempt is again.attempt is begun.attempt
    assert [(p.link_no, p.after, p.cursor, p.kind) for p in (resumed, again)] == [
        (1, begun.link, "7", AttemptKind.RESUME),
        (2, resumed.link, "9", AttemptKind.RESUME),
    ]


def test_a_response_begun_elsewhere_is_resumed_as_a_call_of_its_own(desk: Desk) -> None:
    place = desk.asks(method="GET", path="/v1/responses/resp_9", query="stream=true&starting_after=7", body=None)
    assert (place.kind, place.cursor, place.attempt.number, place.link_no) == (AttemptKind.RESUME, "7", 0, 0)


@pytest.mark.parametrize(
    ("method", "path", "query", "found"),
    [
        ("GET", "/v1/responses/resp_1", "stream=true", "resp_1"),
        ("GET", "/openai/v1/responses/resp_1/", "api-version=1&stream=True&starting_after=3", "resp_1"),
        ("GET", "/v1/responses/resp_1", "", None),
        ("GET", "/v1/responses/resp_1", "stream=false", None),
        ("POST", "/v1/responses/resp_1", "stream=true", None),
        ("GET", "/v1/responses/resp_1/input_items", "stream=true", None),
        (None, None, "", None),
    ],
)
def test_what_asks_for_a_response_to_be_streamed_again(
    method: str | None, path: str | None, query: str, found: str | None
) -> None:
    assert response_id_in(Asked(method=method, path=path, query=query)) == found


def test_a_call_the_user_names_counts_its_attempts(desk: Desk) -> None:
    said = Said(call=NAMED, call_ref="order 17", model="m")
    places = [desk.asks(said=said), desk.asks(said=said), desk.asks(said=said._replace(model="other"))]
    assert {place.attempt.call.id for place in places} == {NAMED}
    assert [place.attempt.number for place in places] == [0, 1, 2]
    assert [place.kind for place in places] == [AttemptKind.FIRST, AttemptKind.APP_RETRY, AttemptKind.FALLBACK]
    assert [place.parent for place in places] == [None, 0, 1]
    assert places[0].attempt.call.ref == "order 17"


def test_an_sdks_retry_inside_a_named_call_stays_a_retry(desk: Desk) -> None:
    said = Said(call=NAMED)
    desk.asks(said=said)
    assert desk.asks(said=said, before=0, retry_count=1).kind is AttemptKind.SDK_RETRY


def test_the_user_may_say_number_and_kind(desk: Desk) -> None:
    said = Said(call=NAMED, attempt=5, attempt_kind=AttemptKind.CONTINUATION)
    assert (desk.asks(said=said).attempt.number, desk.asks(said=Said(call=NAMED)).attempt.number) == (5, 6)
    assert desk.asks(said=said).kind is AttemptKind.CONTINUATION


def test_attempts_of_a_call_from_elsewhere_are_numbered_at_random(desk: Desk) -> None:
    said = Said(call=NAMED, foreign=True)
    assert desk.asks(said=said).attempt.number >= 1 << 16
    assert desk.asks(said=Said(call=NAMED)).attempt.number >= 1 << 16, "once foreign, always foreign"


def test_a_forked_child_numbers_its_parents_calls_at_random(desk: Desk) -> None:
    desk.asks(said=Said(call=NAMED))
    child = Desk(foreign=desk.calls.named())
    grandchild = Desk(foreign=child.calls.named())
    for process in (child, grandchild):
        assert process.asks(said=Said(call=NAMED)).attempt.number >= 1 << 16
        assert process.asks(said=Said(call=b"its own call 123")).attempt.number == 0


def test_memory_is_bounded_and_what_is_forgotten_is_a_call_of_its_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "REMEMBERED", 3)
    first = desk.asks()
    desk.calls.responds("resp_0", first.attempt)
    for number in range(1, 5):
        desk.calls.responds(f"resp_{number}", desk.asks().attempt)
    assert desk.asks(before=0, retry_count=1).attempt.call is not first.attempt.call
    resumed = desk.asks(method="GET", path="/v1/responses/resp_0", query="stream=true", body=None)
    assert resumed.attempt is not first.attempt
    assert all(len(memory) <= 3 for memory in (desk.calls._tries, desk.calls._responses, desk.calls._named))


def test_no_body_and_no_stream_is_kept(desk: Desk) -> None:
    desk.asks(body=b"x" * 1000, again=_Sent(3))
    (kept,) = desk.calls._tries.values()
    assert (kept.asked.body, kept.asked.again) == (None, None)
