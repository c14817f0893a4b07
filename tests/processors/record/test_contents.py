"""Contents within their bound: what gives way, in which order, and what stays."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finished_streams import note
from streamgauge.processors.record.contents import fit, tool_events_of
from streamgauge.schemas import codec
from streamgauge.schemas.frames import ToolEvent
from streamgauge.schemas.records import (
    NULL,
    Audio,
    Choice,
    Citation,
    Contents,
    Hole,
    Image,
    Omitted,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolEventContent,
)
from streamgauge.schemas.words import ToolEventKind

MAX = 4000


def json(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def contents(*parts: Part, **changes: Any) -> Contents:
    return Contents(id="t/x.0", tenant="t", choices=[Choice(index=0, parts=list(parts))], **changes)


def fitted(given: Contents) -> Contents:
    found, cut = fit(given, bytes_max=MAX)
    assert cut
    assert len(codec.encode_contents(found)) <= MAX
    return found


def omitted(text: str) -> Omitted:
    return Omitted(bytes=len(text.encode()), sha256=hashlib.sha256(text.encode()).hexdigest())


def test_what_fits_is_left_as_it_is() -> None:
    given = contents(Text(text="a" * 3000), request=json("b" * 500))
    assert fit(given, bytes_max=MAX) == (given, False)


def test_what_fits_only_without_escapes_is_measured_not_guessed() -> None:
    """At worst a character takes six bytes; whether it does shows only in the encoded message."""
    given = contents(Text(text="a" * 3500))
    assert fit(given, bytes_max=MAX) == (given, False)
    assert fit(contents(Text(text="\x01" * 3500)), bytes_max=MAX)[1]


def test_the_request_gives_way_first() -> None:
    request = json({"messages": "b" * 2000})
    found = fitted(contents(Text(text="a" * 3000), request=request, usage_raw=json({"x": "y" * 500})))
    assert msgspec.json.decode(found.request) == {
        "omitted": True,
        "bytes": len(bytes(request)),
        "sha256": hashlib.sha256(request).hexdigest(),
    }
    assert found.choices[0].parts == [Text(text="a" * 3000)]
    assert bytes(found.usage_raw) != b"null"


def test_then_what_is_raw_gives_way() -> None:
    event = ToolEventContent(kind=ToolEventKind.TOOL, at_us=0, input=json("i" * 300), output=json("o"))
    found = fitted(
        contents(
            Text(text="a" * 3000),
            Citation(citation=json("c" * 300)),
            Opaque(kind="k", value=json("v" * 300)),
            error_raw=json("e" * 300),
            tool_events=[event],
        )
    )
    text, citation, opaque = found.choices[0].parts
    assert text == Text(text="a" * 3000)
    assert isinstance(citation, Citation)
    assert isinstance(opaque, Opaque)
    for raw in (citation.citation, opaque.value, found.error_raw, found.tool_events[0].input):
        assert msgspec.json.decode(raw)["omitted"] is True
    assert found.tool_events[0].output == json("o")  # what is shorter than its stand-in stays


def test_then_the_longest_texts_give_way_and_no_more_than_must() -> None:
    parts: list[Part] = [
        Text(text="a" * 1500),
        Reasoning(text="b" * 2500),
        ToolCall(arguments="c" * 1000),
        Refusal(text="d"),
    ]
    found = fitted(contents(*parts))
    assert found.choices[0].parts == [parts[0], Reasoning(text=omitted("b" * 2500)), parts[2], parts[3]]


def test_of_two_equal_texts_the_first_gives_way() -> None:
    found = fitted(contents(Text(text="a" * 2500), Text(text="b" * 2500)))
    assert found.choices[0].parts == [Text(text=omitted("a" * 2500)), Text(text="b" * 2500)]


def test_at_last_only_a_beginning_stays() -> None:
    calls: list[Part] = [ToolCall(id=f"call_{index}", name="f", arguments="{}") for index in range(500)]
    found = fitted(contents(*calls, headers={"a": "b"}))
    kept = found.choices[0].parts
    assert 0 < len(kept) < 500
    assert kept == calls[: len(kept)]
    assert found.headers == {}


def test_nothing_after_what_did_not_fit_stays() -> None:
    choices = [Choice(index=index, parts=[Text(text="x" * 100)] * 10) for index in range(50)]
    found = fitted(Contents(id="t/x.0", tenant="t", choices=choices))
    assert [choice.index for choice in found.choices] == list(range(len(found.choices)))


@pytest.mark.parametrize(
    "part",
    [
        Reasoning(text="", signature="s" * 9000),
        ToolCall(name="n" * 9000),
        Image(url="u" * 9000),
        Audio(transcript="t" * 9000),
        Opaque(kind="k" * 9000, value=NULL),
    ],
)
def test_a_name_without_end_is_no_way_around_the_bound(part: Part) -> None:
    fitted(contents(part))


def test_half_a_signature_is_worse_than_none() -> None:
    found = fitted(contents(Reasoning(text="", signature="s" * 9000)))
    assert found.choices[0].parts == [Reasoning(text="", signature=None)]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=1500)
PARTS = st.one_of(
    st.builds(Text, text=TEXTS),
    st.builds(Reasoning, text=TEXTS, signature=st.none() | TEXTS),
    st.builds(ToolCall, id=st.none() | TEXTS, name=st.none() | TEXTS, arguments=TEXTS),
    st.builds(Citation, citation=TEXTS.map(json)),
    st.builds(Opaque, kind=TEXTS, value=TEXTS.map(json)),
    st.builds(Audio, transcript=st.none() | TEXTS),
    st.builds(Image, url=st.none() | TEXTS),
    st.builds(Hole),
)
CHOICES = st.builds(
    Choice,
    index=st.integers(0, 5),
    role=st.none() | TEXTS,
    finish_reason=st.none() | TEXTS,
    parts=st.lists(PARTS, max_size=6),
)


@given(
    st.lists(CHOICES, max_size=4),
    st.dictionaries(TEXTS, TEXTS, max_size=4),
    TEXTS,
    st.lists(st.builds(ToolEventContent, kind=st.just(ToolEventKind.DATA), at_us=st.just(0), name=TEXTS), max_size=5),
)
def test_whatever_the_contents_are_they_fit_and_can_be_read(
    choices: list[Choice], headers: dict[str, str], request: str, events: list[ToolEventContent]
) -> None:
    given = Contents(
        id="t/x.0", tenant="t", choices=choices, headers=headers, request=json(request), tool_events=events
    )
    found, cut = fit(given, bytes_max=MAX)
    encoded = codec.encode_contents(found)
    assert len(encoded) <= MAX
    assert codec.decode_contents(encoded) == found
    assert cut == (len(codec.encode_contents(given)) > MAX)
    assert fit(found, bytes_max=MAX) == (found, False)


def test_a_tool_event_that_says_nothing_is_null() -> None:
    (event,) = tool_events_of([note(5, tool_event=ToolEvent(kind=ToolEventKind.DATA))])
    assert (event.input, event.output) == (NULL, NULL)


@pytest.mark.parametrize("packed", [b"\xc1", b"", b"\xd4\x05x", b"\x92\x01"])
def test_a_tool_event_nobody_can_read_is_null(packed: bytes) -> None:
    (event,) = tool_events_of([note(5, tool_event=ToolEvent(kind=ToolEventKind.DATA, input=msgspec.Raw(packed)))])
    assert event.input == NULL
