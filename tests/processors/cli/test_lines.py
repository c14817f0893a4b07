"""Records as lines for people."""

import json
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.cli import lines
from streamgauge.schemas import codec
from streamgauge.schemas.records import Choice, Contents, Omitted, Part, Reasoning, Record, Text, ToolCall
from streamgauge.schemas.words import Outcome


def record(**fields: object) -> Record:
    known: dict[str, object] = {"id": "acme/x.0", "tenant": "acme", "call_id": "x", "attempt": 0}
    return Record(**(known | fields))  # type: ignore[arg-type]


def test_what_is_unknown_is_a_dash() -> None:
    line = lines.of_record(record(evidence="not_seen"))
    assert "unknown (not_seen)" in line
    assert "-→-" in line
    assert "0 ms" not in line


def test_a_line_tells_outcome_timing_tokens_and_cost() -> None:
    line = lines.of_record(
        record(
            outcome=Outcome.COMPLETED,
            provider="openai",
            model="gpt-4o-mini",
            ttft_us=312_400,
            tokens_per_s=41.26,
            usage_input=40,
            usage_output=95,
            cost_usd=Decimal("0.000063"),
            revision=2,
        )
    )
    for part in (
        "completed",
        "openai/gpt-4o-mini",
        "312 ms",
        "41.3 tok/s",
        "40→95",
        "$0.000063",
        "acme/x.0 revision 2",
    ):
        assert part in line


def test_contents_are_indented_part_by_part() -> None:
    parts: list[Part] = [
        Reasoning(text="Let me see."),
        Text(text="The river\nrises."),
        ToolCall(name="open_sluice", arguments='{"percent":35}'),
        Text(text=Omitted(bytes=7, sha256="0" * 64)),
    ]
    contents = Contents(id="acme/x.0", tenant="acme", choices=[Choice(index=0, parts=parts)])
    assert list(lines.of_contents(contents)) == [
        "    (thinking) Let me see.",
        "    The river",
        "    rises.",
        '    open_sluice({"percent":35})',
        "    (7 bytes omitted)",
    ]


@given(st.text())
def test_no_text_steers_the_terminal(text: str) -> None:
    shown = lines.plain(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@given(st.text(), st.text())
def test_no_contents_steer_the_terminal(text: str, name: str) -> None:
    parts: list[Part] = [Text(text=text), ToolCall(name=name, arguments=text)]
    contents = Contents(id="acme/x.0", tenant="acme", choices=[Choice(index=0, parts=parts)])
    model = record(model=text, provider=name, evidence=text)
    for line in (*lines.of_contents(contents), lines.of_record(model)):
        assert line.isprintable()


def test_joined_is_the_record_with_its_contents_as_one_more_field() -> None:
    facts, contents = codec.encode_record(record()), codec.encode_contents(Contents(id="acme/x.0", tenant="acme"))
    joined = json.loads(lines.joined(facts, contents))
    assert joined.pop("contents") == msgspec.json.decode(contents)
    assert joined == msgspec.json.decode(facts)
    assert json.loads(lines.joined(facts, None)) == joined
