"""`streamgauge inspect`: one result a file, one line for what is none."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from recorded_bodies import ANTHROPIC_URL, CHAT_URL, anthropic, chat
from streamgauge.processors.cli.app import app
from streamgauge.processors.cli.boundary import run


class Typed:
    """What a command wrote, and how it ended."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str | Path) -> int:
        code = run(app, ["inspect", *map(str, arguments)])
        self.out, self.err = self._capsys.readouterr()
        return code

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(capsys)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    file = tmp_path / "answer.sse"
    file.write_bytes(anthropic())
    return file


def test_a_summary_says_how_it_ended_and_why(typed: Typed, recorded: Path) -> None:
    assert typed(recorded, "--url", ANTHROPIC_URL) == 0
    shown = " ".join(typed.out.split())
    for expected in (
        f"completed, ended by the provider: message_stop at byte {len(anthropic()):,}",
        "anthropic.messages · anthropic · claude-sonnet-4-5-20250929",
        "finish tool_use",
        "20 in, 30 out; stated by the provider",
        "$0.000510 at today's prices of genai-prices",
        "text The river runs.",
        'tool gauge({"at":"bridge"})',
        "timing unknown: a file has no times",
    ):
        assert expected in shown
    assert typed.err == ""


def test_without_an_address_the_summary_asks_for_it(typed: Typed, recorded: Path) -> None:
    typed(recorded)
    assert "unknown: unknown_provider, say where it came from with --url" in " ".join(typed.out.split())


def test_with_an_address_nobody_is_asked_for_it(typed: Typed, recorded: Path) -> None:
    typed(recorded, "--url", "https://llm.example.com/v1/messages")
    shown = " ".join(typed.out.split())
    assert "unknown: unknown_provider, nobody known serves at llm.example.com" in shown
    assert "--url" not in shown


def test_an_address_of_another_api_is_one_line_and_the_file_is_shown_all_the_same(typed: Typed, recorded: Path) -> None:
    assert typed(recorded, "--url", CHAT_URL) == 0
    assert typed.err == (
        f"streamgauge: {str(recorded)!r}: --url names openai.chat, but none of its events can be of that API: "
        "they are read as anthropic.messages\n"
    )
    assert "completed, ended by the provider: message_stop" in typed.out
    assert "api_contradicts_url" in typed.out


def test_events_of_no_api_are_not_said_to_be_of_the_address_s(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "novel.sse"
    file.write_bytes(b'data: {"novel": 1}\n\n')
    assert typed(file, "--url", CHAT_URL) == 0
    assert typed.err.endswith("none of its events can be of that API, nor of any other that is known\n")
    assert "unknown: unknown_api" in typed.out


def test_json_is_one_object_a_line_facts_and_contents_joined(typed: Typed, recorded: Path, tmp_path: Path) -> None:
    other = tmp_path / "chat.sse"
    other.write_bytes(chat("Two\nlines."))
    assert typed("--json", recorded, other) == 0
    first, second = typed.objects()
    assert (first["file"], first["outcome"], first["usage_output"]) == (str(recorded), "completed", 30)
    assert first["contents"]["choices"][0]["parts"][0] == {"type": "text", "text": "The river runs."}
    assert second["contents"]["choices"][0]["parts"][0]["text"] == "Two\nlines."
    assert (first["ttft_us"], first["requested_at_us"]) == (None, None)


def test_standard_input_is_read(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(chat())))
    assert typed("-", "--json") == 0
    assert typed.objects()[0]["api"] == "openai.chat"


def test_a_bad_file_is_one_line_and_the_rest_is_still_shown(typed: Typed, recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "junk").write_bytes(bytes(range(256)) * 9)
    bad = [tmp_path / "empty", tmp_path / "junk", tmp_path / "missing", tmp_path]
    assert typed("--json", *bad[:2], recorded, *bad[2:]) == 1
    assert [shown["file"] for shown in typed.objects()] == [str(recorded)]
    complaints = typed.err.splitlines()
    assert len(complaints) == len(bad)
    for file, complaint, what in zip(
        bad, complaints, ("it is empty", "binary data", "No such file", "Is a directory"), strict=True
    ):
        assert complaint.startswith(f"streamgauge: {str(file)!r}: ")
        assert what in complaint


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x", "--url", "nonsense"),
        ("x", "--url", "http://[broken"),
        ("x", "--status", "9"),
        ("x", "--status", "many"),
        ("x", "--nonsense"),
    ],
)
def test_misuse_is_one_line_and_exit_2(typed: Typed, arguments: tuple[str, ...]) -> None:
    assert typed(*arguments) == 2
    assert typed.out == ""
    assert len(typed.err.splitlines()) == 1


def test_what_a_provider_wrote_cannot_steer_the_terminal(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "wild.sse"
    file.write_bytes(chat("\x1b[2J[red]loud[/red]\x07"))
    assert typed(file) == 0
    assert "\x1b[2J" not in typed.out
    assert "\x07" not in typed.out
    assert "\\x1b[2J[red]loud[/red]\\x07" in typed.out


def test_a_long_answer_is_shown_by_its_beginning(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "long.sse"
    file.write_bytes(chat("word " * 1000))
    typed(file)
    assert "(5,000 characters)" in " ".join(typed.out.split())
