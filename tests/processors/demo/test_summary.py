"""The summary counts records, each stream once; the audiences print it for whoever watches."""

import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from streamgauge.processors.demo.audience import Lines, Live, Plain, audience
from streamgauge.processors.demo.judge import Disagreement
from streamgauge.processors.demo.playing import TAG
from streamgauge.processors.demo.report import report
from streamgauge.processors.demo.summary import Summary, summarise
from streamgauge.processors.demo.watch import Watches
from streamgauge.processors.following import Emitted
from streamgauge.schemas import codec
from streamgauge.schemas.records import Choice, Contents, Link, Record, Text
from streamgauge.schemas.words import Outcome

WRONG = Disagreement("chat", "outcome", "lost", "completed")


def emitted(name: str, *, attempt: int = 0, **fields: Any) -> Emitted:
    record = Record(
        id=f"demo/{name}.{attempt}", tenant="demo", call_id=name, attempt=attempt, tags={TAG: name}, **fields
    )
    contents = Contents(id=record.id, tenant="demo", choices=[Choice(index=0, parts=[Text(text="It rises.")])])
    return Emitted(record, codec.encode_record(record), contents, codec.encode_contents(contents))


EMISSIONS = [
    emitted("a", outcome=Outcome.COMPLETED, api="openai.chat", ttft_us=1000, usage_output=5, cost_usd=Decimal("0.1")),
    emitted("b", outcome=Outcome.COMPLETED, api="openai.chat", ttft_us=3000, usage_output=7, cost_usd=Decimal("0.2")),
    emitted("b", outcome=Outcome.COMPLETED, api="openai.chat", ttft_us=3000, usage_output=7, cost_usd=Decimal("0.2")),
    emitted("c", outcome=Outcome.REJECTED, provider="openai"),
    emitted("c", attempt=1, links=[Link(link_no=0), Link(link_no=1, replayed_events=3)]),
]


def summary(*wrong: Disagreement) -> Summary:
    return summarise(EMISSIONS, wrong, seconds=12.34)


def test_a_stream_is_counted_once_however_often_it_was_emitted() -> None:
    assert summary().streams == 4
    assert summary().outcomes == {"completed": 2, "rejected": 1, "null": 1}


def test_figures_are_of_those_that_have_them() -> None:
    completed, rejected, unknown = summary().rows
    assert (completed.ttft_us, completed.output_tokens, completed.cost_usd) == (2000, 12, Decimal("0.3"))
    assert rejected.ttft_us is None
    assert unknown.tokens_per_s is None
    assert unknown.cost_usd == 0


def test_the_last_line_of_json_is_the_summary() -> None:
    told = summary(WRONG).as_json()["summary"]
    assert told["streams"] == 4
    assert told["apis"] == ["openai.chat"]
    assert (told["links"], told["attempts"], told["replayed_events"]) == (2, 2, 3)
    assert told["cost_usd"] == "0.3"
    assert told["disagreements"] == ["chat: outcome is 'lost', in truth 'completed'"]


def test_nothing_read_back_is_summed_up_too() -> None:
    told = summarise([], [], seconds=1).as_json()["summary"]
    assert (told["streams"], told["outcomes"], told["links"]) == (0, {}, 0)


def test_a_program_reads_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with audience(as_json=True) as watching:
        watching.say("starting")
        watching.record(EMISSIONS[0])
        watching.look(Watches())
        watching.end(summary(WRONG), None)
    said = capsys.readouterr()
    first, last = map(json.loads, said.out.splitlines())
    assert (first["id"], first["contents"]["choices"][0]["parts"][0]["text"]) == ("demo/a.0", "It rises.")
    assert list(last) == ["summary"]
    assert "disagreement: chat" in said.err


def test_a_pipe_gets_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    with audience(as_json=False) as watching:
        assert isinstance(watching, Plain)
        watching.record(EMISSIONS[0])
        watching.look(Watches())
        watching.end(summary(), EMISSIONS[0])
    said = capsys.readouterr().out
    assert all(one.isprintable() or one == "\n" for one in said)
    assert "It rises." in said


@pytest.mark.parametrize("height", [10, 24, 60])
def test_a_terminal_sees_tables_that_fit(height: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=height)
    live = Live(console)
    watches = Watches()
    assert 2 * live._rows + 14 <= max(height, 20)
    with live:
        live.say("starting")
        live.record(EMISSIONS[0])
        live.look(watches)
        live.end(summary(), EMISSIONS[0])


@pytest.mark.parametrize(("wrong", "said"), [((), "Every record agrees"), ((WRONG,), "disagreement: chat")])
def test_the_report_ends_with_the_verdict(wrong: tuple[Disagreement, ...], said: str) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(report(summary(*wrong), None))
    out: Callable[[], str] = console.file.getvalue  # type: ignore[attr-defined]
    assert said in out()


def test_lines_are_an_audience_without_a_terminal() -> None:
    assert isinstance(audience(as_json=True), Lines)
