"""The evolution rules of the contract, each as a test.

Fields are appended with defaults, never reordered, retyped, reused. Vocabularies are strings; a reader maps what it
does not know to `unknown`. An unknown tag is decoded as the fixed prefix. Records only gain nullable fields.
"""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract_samples import CALL, CONTENTS, FRAMES, LINK, RECORDS
from streamgauge.schemas import codec, words
from streamgauge.schemas.frames import (
    Close,
    Data,
    Frame,
    Head,
    Note,
    Open,
    Prefix,
    Pulse,
    Tick,
    UnknownFrame,
)
from streamgauge.schemas.records import Opaque, Record, Text
from streamgauge.schemas.words import Word

PREFIX = {"call": "bytes", "attempt": "int", "link": "bytes", "n": "int"}

# Tag, then name and type of every field, in the order of the array. Append to these; change nothing.
FIELDS: dict[type[Frame], tuple[int, dict[str, str]]] = {
    Open: (
        1,
        {
            **PREFIX,
            "tenant": "str",
            "wall_us": "int",
            "link_no": "int",
            "after": "bytes | None",
            "attempt_kind": "AttemptKind",
            "parent_attempt": "int | None",
            "cursor": "str | None",
            "method": "str | None",
            "host": "str | None",
            "path": "str | None",
            "query": "dict[str, str]",
            "provider": "str | None",
            "api": "str | None",
            "format": "Format",
            "content": "ContentMode",
            "request": "bytes | None",
            "request_bytes": "int | None",
            "request_sha256": "bytes | None",
            "client_timeout_us": "int | None",
            "shim": "str | None",
            "sdk": "str | None",
            "context": "Context",
            "tags": "dict[str, str]",
            "call_ref": "str | None",
            "model": "str | None",
            "enc": "str | None",
        },
    ),
    Head: (
        2,
        {
            **PREFIX,
            "time_us": "int",
            "status": "int | None",
            "http_version": "str | None",
            "headers": "dict[str, str]",
        },
    ),
    Data: (
        3,
        {
            **PREFIX,
            "seq": "int",
            "got": "list[int]",
            "asked": "list[int] | None",
            "chunks": "list[bytes] | None",
            "sizes": "list[int] | None",
            "directions": "list[int] | None",
        },
    ),
    Pulse: (
        4,
        {
            **PREFIX,
            "time_us": "int",
            "waiting_for": "WaitingFor",
            "chunks": "int",
            "byte_count": "int",
            "dropped": "int",
            "consumer_wait_us": "int",
        },
    ),
    Note: (
        5,
        {
            **PREFIX,
            "wall_us": "int",
            "tags": "dict[str, str]",
            "context": "Context",
            "model": "str | None",
            "error": "str | None",
            "tool_event": "ToolEvent | None",
        },
    ),
    Close: (
        6,
        {
            **PREFIX,
            "n": "int | None",
            "time_us": "int | None",
            "frames": "int | None",
            "chunks": "int | None",
            "byte_count": "int | None",
            "dropped": "int | None",
            "consumer_wait_us": "int | None",
            "how": "How",
            "reading": "bool | None",
            "cause": "str | None",
            "message": "str | None",
            "resumable": "Resumable",
        },
    ),
    Tick: (7, {"call": "None", "attempt": "None", "link": "None", "n": "int"}),
}

# What the first version required. A field that comes later has a default.
REQUIRED = {
    Open: ("call", "attempt", "link", "n", "tenant", "wall_us"),
    Head: ("call", "attempt", "link", "n", "time_us"),
    Data: ("call", "attempt", "link", "n", "seq", "got"),
    Pulse: ("call", "attempt", "link", "n", "time_us"),
    Note: ("call", "attempt", "link", "n", "wall_us"),
    Close: ("call", "attempt", "link", "n"),
    Tick: (),
}

# Words may be added; none changes and none is taken away.
WORDS = {
    "AttemptKind": "first sdk_retry app_retry fallback continuation resume redirect auth",
    "Billing": "billed likely not_billed",
    "ContentMode": "keep structure measure_only sizes_only",
    "EndedBy": "provider client network shim deadline",
    "Format": "http objects",
    "How": "eof closed_early read_error send_error collected shutdown crashed",
    "Operation": "chat completion embeddings image speech transcription rerank moderation",
    "Outcome": "completed rejected failed truncated cancelled abandoned timed_out lost",
    "RecordKind": "generation tool_event session",
    "Resumable": "no maybe",
    "ToolEventKind": "tool vector_db data",
    "UsageSource": "provider partial estimated none",
    "WaitingFor": "provider consumer",
}

# Record fields of the first version, by group. Append; a reader may have made columns of them.
RECORD_FIELDS = """
    id schema revision kind tenant call_id call_ref attempt attempt_kind parent_attempt operation streamed provider api
    model_requested model service_tier server_address region response_id provider_request_id sdk
    service_name service_version environment trace_id span_id session_id session_path conversation_id user_id agent_name
    workflow_name prompt_id prompt_version tags
    outcome ended_by evidence evidence_offset content_complete stream_complete status finish_reasons error_kind
    error_type error_code error_message retry_after_us suspicions warnings
    links resume_gap_us holes missing_chunks generations
    requested_at_us first_append_us headers_us first_byte_us first_event_us ttft_us first_text_us first_reasoning_us
    first_tool_us last_token_us ended_us gap_p50_us gap_p95_us gap_p99_us gap_max_us masked_gaps stalls consumer_wait_us
    tokens_per_s tokens_per_s_after_first
    usage_input usage_output usage_total usage_cache_read usage_cache_write usage_cache_write_1h usage_reasoning
    usage_audio_in usage_audio_out usage_image_in usage_source usage_estimated usage_method output_seen units
    cost_usd cost_breakdown cost_provider_usd price_source price_version cost_null_reason billing billing_basis
    choices tool_calls chunks events bytes duplicates_dropped reordered conflicts unknown_events unknown_frames
    shim_dropped_chunks capped
    topic partition first_offset last_offset closed_at_us rules parser_version
"""


def array(frame: Frame) -> list[Any]:
    """The frame as any msgpack reader sees it."""
    return list(msgspec.msgpack.decode(codec.encode(frame)))


def read(fields: list[Any]) -> Frame | UnknownFrame:
    return codec.decode(msgspec.msgpack.encode(fields))


def word_fields(struct: type[msgspec.Struct]) -> list[str]:
    hints = get_type_hints(struct)
    return [
        name
        for name, hint in hints.items()
        if any(isinstance(kind, type) and issubclass(kind, Word) for kind in (hint, *get_args(hint)))
    ]


@pytest.mark.parametrize("frame", FIELDS)
def test_fields_keep_their_order_and_their_types(frame: type[Frame]) -> None:
    tag, fields = FIELDS[frame]
    assert frame.__struct_config__.tag == tag
    assert list(frame.__struct_fields__) == list(fields)
    assert {name: frame.__annotations__[name] for name in fields} == fields


@pytest.mark.parametrize("frame", FIELDS)
def test_fields_that_came_later_have_defaults(frame: type[Frame]) -> None:
    optional = len(frame.__struct_defaults__)
    assert frame.__struct_fields__[: len(frame.__struct_fields__) - optional] == REQUIRED[frame]


def test_every_kind_of_frame_is_listed() -> None:
    assert set(get_args(Frame)) == set(FIELDS)
    assert {tag for tag, _ in FIELDS.values()} == set(codec.KNOWN_TAGS)


def test_the_prefix_never_changes() -> None:
    assert Prefix.__annotations__ == {
        "tag": "int",
        "call": "bytes | None",
        "attempt": "int | None",
        "link": "bytes | None",
        "n": "int | None",
    }


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_begins_with_the_prefix(name: str) -> None:
    frame = FRAMES[name]
    prefix = codec.decode_prefix(codec.encode(frame))
    assert prefix == Prefix(FIELDS[type(frame)][0], frame.call, frame.attempt, frame.link, frame.n)


@pytest.mark.parametrize("name", FRAMES)
def test_a_newer_writers_longer_array_is_read(name: str) -> None:
    frame = FRAMES[name]
    assert read([*array(frame), 1, {"of": ["the", "future"]}, b"\x00", None]) == frame


@pytest.mark.parametrize("name", FRAMES)
def test_an_older_writers_shorter_array_is_read(name: str) -> None:
    frame = FRAMES[name]
    fields = frame.__struct_fields__
    for length in range(len(REQUIRED[type(frame)]), len(fields) + 1):
        known = {field: getattr(frame, field) for field in fields[:length]}
        assert read(array(frame)[: length + 1]) == type(frame)(**known)


@pytest.mark.parametrize("name", [name for name in FRAMES if name != "tick"])
def test_an_array_without_a_required_field_is_no_frame(name: str) -> None:
    frame = FRAMES[name]
    with pytest.raises(codec.UndecodableFrame):
        read(array(frame)[: len(REQUIRED[type(frame)])])


@given(
    tag=st.integers(-(2**63), 2**64 - 1).filter(lambda tag: tag not in codec.KNOWN_TAGS),
    beyond=st.lists(st.integers(0, 9) | st.text() | st.binary() | st.dictionaries(st.text(), st.none())),
)
@example(tag=0, beyond=[])
@example(tag=max(codec.KNOWN_TAGS) + 1, beyond=[])
def test_a_tag_from_the_future_is_read_as_its_prefix(tag: int, beyond: list[Any]) -> None:
    assert read([tag, CALL, 3, LINK, 9, *beyond]) == UnknownFrame(Prefix(tag, CALL, 3, LINK, 9))


def test_a_tag_from_the_future_without_the_prefix_is_no_frame() -> None:
    with pytest.raises(codec.UndecodableFrame):
        read([8, CALL, 3, LINK])


@pytest.mark.parametrize("name", [name for name in FRAMES if name.endswith("_full")])
def test_a_word_from_the_future_is_unknown(name: str) -> None:
    frame = FRAMES[name]
    for field in word_fields(type(frame)):
        fields = array(frame)
        fields[1 + frame.__struct_fields__.index(field)] = "of_the_future"
        assert getattr(read(fields), field) == "unknown"


def test_words_are_kept() -> None:
    kinds = {name: getattr(words, name) for name in words.__all__ if name != "Word"}
    assert {name: set(kind) - {"unknown"} for name, kind in kinds.items()} == {
        name: set(known.split()) for name, known in WORDS.items()
    }


@pytest.mark.parametrize("name", WORDS)
def test_every_vocabulary_can_say_unknown(name: str) -> None:
    kind: type[Word] = getattr(words, name)
    assert kind("of the future") is kind("unknown")


def test_record_fields_are_kept() -> None:
    assert list(Record.__struct_fields__) == RECORD_FIELDS.split()


def test_record_fields_that_came_later_may_be_missing() -> None:
    required = {"id": "x", "tenant": "acme", "call_id": "y", "attempt": 0}
    assert codec.decode_record(json.dumps(required)) == Record(**required)  # type: ignore[arg-type]


def test_a_record_of_a_newer_writer_is_read() -> None:
    record = RECORDS["record_full"]
    document = json.loads(codec.encode_record(record))
    document["of_the_future"] = {"any": ["thing"]}
    document["links"][0]["of_the_future"] = 1
    assert codec.decode_record(json.dumps(document)) == record


def test_words_from_the_future_in_a_record_are_unknown() -> None:
    document = json.loads(codec.encode_record(RECORDS["record_full"]))
    named = word_fields(Record)
    record = codec.decode_record(json.dumps({**document, **dict.fromkeys(named, "of_the_future")}))
    assert named
    assert {name: getattr(record, name) for name in named} == dict.fromkeys(named, "unknown")


def test_contents_of_a_newer_writer_are_read() -> None:
    contents = CONTENTS["contents_full"]
    document = codec.encode_contents(contents).replace(b'"role"', b'"of_the_future":{"any":1},"role"')
    assert codec.decode_contents(document) == contents


def test_a_part_from_the_future_is_carried_whole() -> None:
    document = (
        b'{"id": "a", "tenant": "acme", "request": {"n": 1.50}, "choices": [{"index": 0, "parts": ['
        b'{"type": "text", "text": "hi"}, {"type": "hologram", "beams": [1, 2.50]}]}, {"index": 1}]}'
    )
    contents = codec.decode_contents(document)
    assert contents.choices[0].parts == [
        Text(text="hi"),
        Opaque(kind="hologram", value=msgspec.Raw(b'{"type": "hologram", "beams": [1, 2.50]}')),
    ]
    assert contents.choices[1].index == 1
    assert bytes(contents.request) == b'{"n": 1.50}'
