from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract_samples import CALL, CONTENTS, FRAMES, LINK, RECORDS
from contract_strategies import contents, frames, records
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Frame, UnknownFrame
from streamgauge.schemas.records import Contents, Record

PREFIX = b"\xc4\x10" + CALL + b"\x00\xc4\x08" + LINK + b"\x00"
DEEP = b"\x91" * 100_000

# Everything an error may say: msgspec's sentences about types and places, or the name of a class.
SAYING = re.compile(
    r"(the message has no value)"
    r"|(no frame|no record|no contents|frame of tag [0-9]+): "
    r"([A-Z][A-Za-z]+Error"
    r"|Expected `[a-z |]+`, got `[A-Za-z]+`( - at `[^`]*`( in `[^`]*`)?)?"
    r"|Expected `array` of (at least )?length [0-9]+( to [0-9]+)?, got [0-9]+( - at `[^`]*`)?"
    r"|Invalid value( -?[0-9]+)?( - at `[^`]*`)?"
    r"|Object missing required field `[a-z_0-9]+`( - at `[^`]*`)?)"
)


def fault_of(value: bytes) -> str | None:
    """What is wrong with these bytes; null where they are a frame. Any other exception fails the test."""
    try:
        codec.decode(value)
    except codec.UndecodableFrame as error:
        return str(error)
    return None


def says_no_more_than_it_may(fault: str | None) -> bool:
    return fault is None or SAYING.fullmatch(fault) is not None


@given(frames())
def test_a_frame_comes_back_as_it_was(frame: Frame) -> None:
    assert codec.decode(codec.encode(frame)) == frame


@given(records())
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert codec.decode_record(codec.encode_record(record)) == record


@given(contents())
def test_contents_come_back_as_they_were(whole: Contents) -> None:
    assert codec.decode_contents(codec.encode_contents(whole)) == whole


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_undecodable(value: bytes) -> None:
    assert says_no_more_than_it_may(fault_of(value))


@given(st.sampled_from(list(FRAMES.values())), st.data())
def test_damaged_frames_are_frames_or_undecodable(frame: Frame, data: st.DataObject) -> None:
    value = bytearray(codec.encode(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(value[: data.draw(st.integers(0, len(value)))])
    assert says_no_more_than_it_may(fault_of(cut))


@given(st.sampled_from(list(FRAMES.values())), st.data())
def test_retyped_fields_are_undecodable_and_never_quoted(frame: Frame, data: st.DataObject) -> None:
    fields = list(msgspec.msgpack.decode(codec.encode(frame)))
    secrets = st.sampled_from(["SECRET", b"SECRET", {"SECRET": "SECRET"}, ["SECRET"], {b"SECRET": 1}])
    fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(secrets)
    fault = fault_of(msgspec.msgpack.encode(fields))
    assert says_no_more_than_it_may(fault)
    assert fault is None or "SECRET" not in fault


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="an opcode that msgpack never uses"),
        pytest.param(b"\x90", id="an empty array"),
        pytest.param(b"\x86" + b"\xa1k\x00" * 6, id="a map"),
        pytest.param(b'[1,"a",0,"b",0]', id="JSON"),
        pytest.param(b"\x97\x03" + PREFIX + b"\x00\xdd\xff\xff\xff\xff\x05", id="a list that claims 4 G entries"),
        pytest.param(b"\xdd\xff\xff\xff\xff\x03" + PREFIX + b"\x00", id="a frame that claims 4 G fields"),
        pytest.param(b"\x96\x02" + PREFIX + b"\xc6\xff\xff\xff\xff", id="a text that claims 4 G bytes"),
        pytest.param(b"\x96\x07" + PREFIX[18:] + DEEP, id="nested without end"),
        pytest.param(b"\x97\x63" + PREFIX + DEEP + b"\xc0\xc0", id="a tag from the future, nested without end"),
        pytest.param(b"\x98\x02" + PREFIX + b"\x00\xc0\xa2\xff\xfe", id="text that is no UTF-8"),
        pytest.param(b"\x96\x02" + PREFIX + b"\x00\x00", id="bytes behind the frame"),
    ],
)
def test_hostile_bytes_are_undecodable(value: bytes) -> None:
    fault = fault_of(value)
    assert fault is not None
    assert says_no_more_than_it_may(fault)


def test_a_message_without_value_is_undecodable() -> None:
    with pytest.raises(codec.UndecodableFrame, match="no value"):
        codec.decode(None)
    with pytest.raises(codec.UndecodableFrame, match="no value"):
        codec.decode_prefix(None)


def test_an_error_names_frame_and_place() -> None:
    fields = [3, CALL, 0, LINK, 0, 0, [1], None, ["the answer"]]
    assert fault_of(msgspec.msgpack.encode(fields)) == "frame of tag 3: Expected `bytes`, got `str` - at `$[8][0]`"


def test_an_error_leads_to_no_other_that_quotes_content() -> None:
    """A traceback shows the errors behind an error, and a UnicodeDecodeError holds its bytes."""
    with pytest.raises(codec.UndecodableFrame) as caught:
        codec.decode(b"\x98\x02" + PREFIX + b"\x00\xc0\xa8SECRET\xff\xfe")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b"nonsense", b'{"id": 5}', b'{"id":"\xff"}', b"[" * 100_000])
def test_what_is_no_record_is_undecodable(value: bytes) -> None:
    with pytest.raises(codec.UndecodableRecord) as no_record:
        codec.decode_record(value)
    with pytest.raises(codec.UndecodableRecord) as no_contents:
        codec.decode_contents(value)
    assert SAYING.fullmatch(str(no_record.value))
    assert SAYING.fullmatch(str(no_contents.value))


@pytest.mark.parametrize(
    ("amount", "written"),
    [("0.0000001", "0.0000001"), ("1E+3", "1000"), ("0E-10", "0.0000000000"), ("-1.50", "-1.50"), ("0", "0")],
)
def test_money_is_written_without_exponent(amount: str, written: str) -> None:
    record = Record(
        id="x",
        tenant="acme",
        call_id="y",
        attempt=0,
        cost_usd=Decimal(amount),
        cost_provider_usd=Decimal(amount),
        cost_breakdown={"input": Decimal(amount), "output": Decimal("0.5")},
    )
    document = msgspec.json.decode(codec.encode_record(record))
    assert document["cost_usd"] == written
    assert document["cost_provider_usd"] == written
    assert document["cost_breakdown"] == {"input": written, "output": "0.5"}


@pytest.mark.parametrize("record", RECORDS.values())
def test_every_field_of_a_record_is_written(record: Record) -> None:
    document = msgspec.json.decode(codec.encode_record(record))
    assert list(document) == list(Record.__struct_fields__)


@pytest.mark.parametrize("whole", CONTENTS.values())
def test_every_field_of_contents_is_written(whole: Contents) -> None:
    document = msgspec.json.decode(codec.encode_contents(whole))
    assert list(document) == list(Contents.__struct_fields__)


def test_what_is_no_number_is_written_as_unknown() -> None:
    record = msgspec.structs.replace(RECORDS["record"], tokens_per_s=float("nan"))
    assert codec.decode_record(codec.encode_record(record)).tokens_per_s is None


def test_the_tenant_travels_in_a_header() -> None:
    assert codec.tenant_headers("acme") == [("sg-tenant", b"acme")]
    assert codec.tenant_of([("other", b"x"), *codec.tenant_headers("acme")]) == "acme"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("sg-tenant", None)], id="null"),
        pytest.param([("sg-tenant", b"")], id="empty"),
        pytest.param([("sg-tenant", b"a/b")], id="impossible"),
        pytest.param([("sg-tenant", b"acme\n")], id="with a line end"),
        pytest.param([("sg-tenant", b"\xff")], id="no UTF-8"),
        pytest.param([("sg-tenant", b"acme"), ("sg-tenant", b"evil")], id="two"),
    ],
)
def test_headers_that_name_no_one_tenant_name_none(headers: Any) -> None:
    assert codec.tenant_of(headers) is None


def test_a_tenant_named_twice_alike_is_named() -> None:
    assert codec.tenant_of([("sg-tenant", b"acme"), ("sg-tenant", b"acme")]) == "acme"


def test_decoding_takes_a_view_of_a_larger_buffer() -> None:
    value = codec.encode(FRAMES["data"])
    assert codec.decode(memoryview(b"xx" + value)[2:]) == FRAMES["data"]
    assert not isinstance(codec.decode(value), UnknownFrame)
