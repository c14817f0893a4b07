from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator, ValidationError

from contract_samples import CONTENTS, RECORDS
from contract_strategies import contents, records
from streamgauge.schemas import codec
from streamgauge.schemas.jsonschema import FILES, main, schema
from streamgauge.schemas.records import Contents, Record

WRITTEN = Path(__file__).parents[2] / "schemas" / "json"
RECORD_SCHEMA = schema(Record)
RECORD_VALIDATOR = Draft202012Validator(RECORD_SCHEMA)
CONTENTS_VALIDATOR = Draft202012Validator(schema(Contents))


def document(record: Record) -> Any:
    return json.loads(codec.encode_record(record))


def test_the_written_schemas_are_up_to_date() -> None:
    assert main(["--check", "--into", str(WRITTEN)]) == 0


def test_a_stale_schema_is_named_and_then_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "json"
    assert main(["--check", "--into", str(folder)]) == 1
    assert "'records.json' is not up to date" in capsys.readouterr().err
    assert not folder.exists()
    assert main(["--into", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert main(["--check", "--into", str(folder)]) == 0


@pytest.mark.parametrize("struct", FILES.values())
def test_a_schema_is_a_schema(struct: type[Record | Contents]) -> None:
    Draft202012Validator.check_schema(schema(struct))


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_valid(name: str) -> None:
    RECORD_VALIDATOR.validate(document(RECORDS[name]))


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_are_valid(name: str) -> None:
    CONTENTS_VALIDATOR.validate(json.loads(codec.encode_contents(CONTENTS[name])))


@settings(max_examples=30)
@given(records())
def test_any_record_is_valid(record: Record) -> None:
    fixed = {"schema": 1}  # the one field whose value is fixed
    RECORD_VALIDATOR.validate({**document(record), **fixed})


@settings(max_examples=30)
@given(contents())
def test_any_contents_are_valid(whole: Contents) -> None:
    CONTENTS_VALIDATOR.validate({**json.loads(codec.encode_contents(whole)), "schema": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"id": None},
        {"attempt": "0"},
        {"cost_usd": 0.1},
        {"cost_usd": "1E-7"},
        {"cost_breakdown": {"input": "free"}},
        {"links": [{}]},
        {"tags": {"team": 5}},
        {"status": 200.5},
        {"usage_source": None},
    ],
)
def test_what_breaks_the_contract_is_not_valid(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RECORD_VALIDATOR.validate({**document(RECORDS["record_full"]), **change})


@pytest.mark.parametrize(
    "change", [{"of_the_future": 1}, {"outcome": "of_the_future"}, {"outcome": None}, {"cost_usd": "0.0000001"}]
)
def test_what_evolution_allows_is_valid(change: dict[str, Any]) -> None:
    RECORD_VALIDATOR.validate({**document(RECORDS["record_full"]), **change})


def test_parts_of_the_future_are_valid_and_broken_ones_are_not() -> None:
    whole: dict[str, Any] = {"id": "a", "tenant": "acme"}
    CONTENTS_VALIDATOR.validate({**whole, "choices": [{"index": 0, "parts": [{"type": "hologram", "beams": 2}]}]})
    for part in ({"type": "text"}, {"text": "no type"}, {"type": "text", "text": 5}):
        with pytest.raises(ValidationError):
            CONTENTS_VALIDATOR.validate({**whole, "choices": [{"index": 0, "parts": [part]}]})


def test_fields_and_words_are_described_by_the_comments_beside_them() -> None:
    properties = RECORD_SCHEMA["properties"]
    assert properties["usage_input"]["description"] == "includes cache"
    outcome = RECORD_SCHEMA["$defs"]["Outcome"]
    assert "truncated: the source ended without evidence" in outcome["description"].splitlines()
    assert outcome["examples"][0] == "completed"


def test_raw_fields_are_any_json() -> None:
    request = schema(Contents)["properties"]["request"]
    assert set(request) == {"description"}
