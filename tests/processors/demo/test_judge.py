"""The judge agrees with a record that tells the truth, and with no other."""

from typing import Any

import msgspec
import pytest

from streamgauge.processors.demo.act import Act, Client, Conduct
from streamgauge.processors.demo.judge import LOST_S, Judge
from streamgauge.processors.demo.playing import TAG
from streamgauge.processors.demo.script import Answer, Script
from streamgauge.processors.demo.truth import Ended, Said, Speech, Step, Truth, Usage
from streamgauge.processors.demo.watch import Watches
from streamgauge.processors.following import Emitted, Unreadable
from streamgauge.schemas import codec
from streamgauge.schemas.records import Choice, Contents, Link, Reasoning, Record, Text, ToolCall
from streamgauge.schemas.words import Outcome, UsageSource

PIECES = ("The ", "river ", "rises.")
KILLED_AT = 1000.0


def act(conduct: Conduct = Conduct.READ) -> Act:
    script = Script(name="s", model="m", answers=(Answer(text=PIECES),))
    return Act(script=script, client=Client.OPENAI, conduct=conduct)


def truth(ended: Ended = Ended.PROPER, *, at: float = 0.0, **more: Any) -> Truth:
    told = Truth("s", 0, "openai.chat", "m", ended=ended, **more)
    speeches = [
        Speech(Said.REASONING, "Hm."),
        *(Speech(Said.TEXT, piece) for piece in PIECES),
        Speech(Said.TOOL, "open"),
        Speech(Said.ARGUMENTS, '{"percent": 35}'),
    ]
    told.said = [(at, speech) for speech in speeches]
    return told


def record(**fields: Any) -> Record:
    known: dict[str, Any] = {
        "id": "demo/x.0",
        "tenant": "demo",
        "call_id": "x",
        "attempt": 0,
        "tags": {TAG: "s"},
        "outcome": Outcome.COMPLETED,
        "api": "openai.chat",
        "model": "m",
        "streamed": True,
        "links": [Link(link_no=0)],
        "usage_input": 40,
        "usage_output": 9,
        "usage_source": UsageSource.PROVIDER,
    }
    return Record(**(known | fields))


def contents(text: str = "The river rises.", *, arguments: str = '{"percent":35}', thought: str = "Hm.") -> Contents:
    parts = [Reasoning(text=thought), Text(text=text), ToolCall(name="open", arguments=arguments)]
    return Contents(id="demo/x.0", tenant="demo", choices=[Choice(index=0, parts=parts)])  # type: ignore[arg-type]


def emitted(facts: Record | None = None, answer: Contents | None = None) -> Emitted:
    facts, answer = facts or record(), answer or contents()
    return Emitted(facts, codec.encode_record(facts), answer, codec.encode_contents(answer))


def watches_of(conduct: Conduct = Conduct.READ, *, heard: str = "") -> Watches:
    watches = Watches()
    watches.add(act(conduct)).heard = heard
    return watches


def judged(*emissions: Emitted, of: Truth | None = None, conduct: Conduct = Conduct.READ, heard: str = "") -> list[str]:
    judge = Judge([act(conduct)], [of or truth()], watches_of(conduct, heard=heard), killed_at=KILLED_AT)
    return [disagreement.what for disagreement in judge.judge(emissions)]


def test_a_true_record_is_agreed_with() -> None:
    assert judged(emitted(), of=truth(usage=Usage(40, 9))) == []


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"outcome": Outcome.TRUNCATED}, "outcome"),
        ({"outcome": None}, "outcome"),
        ({"api": None}, "api"),
        ({"model": "other"}, "model"),
        ({"streamed": None}, "streamed"),
        ({"links": []}, "links"),
        ({"links": [Link(link_no=0, replayed_events=1)]}, "replayed events"),
        ({"usage_input": None}, "input tokens"),
        ({"usage_output": 10}, "output tokens"),
        ({"usage_source": UsageSource.ESTIMATED}, "usage source"),
    ],
)
def test_a_wrong_fact_is_named(wrong: dict[str, Any], what: str) -> None:
    assert judged(emitted(record(**wrong)), of=truth(usage=Usage(40, 9))) == [what]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (contents("The river rises. The river rises."), "text"),
        (contents("The river"), "text"),
        (contents(thought=""), "reasoning"),
        (contents(arguments='{"percent":36}'), "tool calls"),
        (contents(arguments='{"perc'), "tool calls"),
        (Contents(id="demo/x.0", tenant="demo"), "text"),
    ],
)
def test_a_wrong_answer_is_named(wrong: Contents, what: str) -> None:
    assert what in judged(emitted(answer=wrong))


def test_a_disagreement_about_texts_shows_none() -> None:
    (found,) = Judge([act()], [truth()], watches_of(), killed_at=None).judge([emitted(answer=contents("my secret"))])
    assert "secret" not in str(found)
    assert "9 characters" in str(found)


def test_a_missing_record_and_one_too_many_are_named() -> None:
    assert judged() == ["the record"]
    assert judged(emitted(), emitted(record(id="demo/y.0", tags={}))) == ["the stream"]


def test_a_repeated_record_is_fine_only_if_it_is_the_same() -> None:
    assert judged(emitted(), emitted()) == []
    other = record(chunks=1)
    assert judged(emitted(), emitted(other)) == ["a second record"]


def test_attempts_of_different_calls_are_torn_apart() -> None:
    second = truth()
    second.attempt = 1
    judge = Judge([act()], [truth(), second], watches_of(), killed_at=None)
    retried = [emitted(), emitted(record(id="demo/x.1", attempt=1))]
    assert judge.judge(retried) == []
    torn = [emitted(), emitted(record(id="demo/y.1", attempt=1, call_id="y"))]
    assert [found.what for found in judge.judge(torn)] == ["the call"]


def test_a_message_that_is_no_record_is_a_disagreement() -> None:
    judge = Judge([act()], [truth()], watches_of(), killed_at=None)
    (found,) = judge.judge([emitted()], [Unreadable("records", 0, 7, "no record")])
    assert "records[0] at offset 7" in str(found)


def test_a_record_without_its_contents_is_not_agreed_with() -> None:
    facts = record()
    assert judged(Emitted(facts, codec.encode_record(facts))) == ["contents"]


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [(Ended.ERROR, Outcome.FAILED), (Ended.CUT, Outcome.TRUNCATED), (Ended.DROPPED, Outcome.TRUNCATED)],
)
def test_where_the_provider_ended_it_the_text_is_exactly_what_it_said(ended: Ended, outcome: Outcome) -> None:
    assert judged(emitted(record(outcome=outcome)), of=truth(ended)) == []
    assert judged(emitted(record(outcome=outcome), contents("The river ")), of=truth(ended)) == ["text"]


@pytest.mark.parametrize(
    ("conduct", "outcome"),
    [
        (Conduct.CLOSE, Outcome.CANCELLED),
        (Conduct.ABANDON, Outcome.ABANDONED),
        (Conduct.TIME_OUT, Outcome.TIMED_OUT),
    ],
)
def test_where_the_client_left_the_text_goes_from_what_it_heard_to_what_was_said(
    conduct: Conduct, outcome: Outcome
) -> None:
    left, facts = truth(Ended.LEFT), record(outcome=outcome)
    for text in ("The ", "The river ", "The river rises."):
        assert judged(emitted(facts, contents(text)), of=left, conduct=conduct, heard="The ") == []
    for text in ("", "Th", "The sea", "The river rises. And"):
        assert judged(emitted(facts, contents(text)), of=left, conduct=conduct, heard="The ") == ["text"]


def test_a_client_that_was_not_to_leave_is_no_outcome() -> None:
    assert judged(emitted(), of=truth(Ended.LEFT)) == ["outcome"]


def test_a_killed_process_loses_no_more_than_the_last_moments() -> None:
    lost = emitted(record(outcome=Outcome.LOST), contents(""))
    long_before, just_before = KILLED_AT - LOST_S - 1, KILLED_AT - LOST_S + 1
    assert judged(lost, of=truth(Ended.LEFT, at=just_before), conduct=Conduct.DIE) == []
    assert judged(lost, of=truth(Ended.LEFT, at=long_before), conduct=Conduct.DIE) == ["text"]


def test_a_refusal_says_nothing_that_could_be_compared() -> None:
    refused = truth(Ended.REFUSED, streamed=False)
    refused.said = []
    facts = record(outcome=Outcome.REJECTED, streamed=False)
    assert judged(emitted(facts, Contents(id="demo/x.0", tenant="demo")), of=refused) == []


def test_a_truth_counts_what_is_said_again_once() -> None:
    told = Truth("s", 0, "openai.responses", "m")
    for index in (0, 1, 2, 1, 2, 3):
        told.say(index, Step(b"x", (Speech(Said.TEXT, str(index)),)))
    assert told.text() == "0123"
    assert told.replayed == 2


def test_emissions_are_raw_bytes_and_their_values() -> None:
    """The judge compares repeats byte for byte, so the helper above must encode as a worker does."""
    assert msgspec.json.decode(emitted().raw)["id"] == "demo/x.0"
