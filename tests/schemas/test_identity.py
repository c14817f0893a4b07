from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.identity import call_bytes, call_text, is_tenant, record_id

NAMED_CALLS = uuid.uuid5(uuid.NAMESPACE_URL, "streamgauge:call")
CALL = uuid.UUID("0199c0de-0000-7000-8000-00000000cafe")


@given(call=st.uuids())
def test_a_uuid_is_the_call(call: uuid.UUID) -> None:
    text = str(call)
    for given_as in (call, text, text.upper(), call.hex):
        assert call_bytes(given_as, tenant="acme") == (call.bytes, None)


@given(call=st.text(min_size=1), tenant=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
def test_any_other_text_becomes_the_uuid5_of_tenant_and_text(call: str, tenant: str) -> None:
    assert call_bytes(call, tenant=tenant) == (uuid.uuid5(NAMED_CALLS, f"{tenant}\n{call}").bytes, call)


def test_a_named_call_never_changes() -> None:
    """Records of months ago are found by the name: these bytes are part of the contract."""
    call, ref = call_bytes("order-77", tenant="acme")
    assert call_text(call) == "7b6f2369-5ee2-5f07-bf7a-ec810f704a17"
    assert ref == "order-77"


def test_the_same_name_of_two_tenants_is_two_calls() -> None:
    assert call_bytes("order-77", tenant="acme") != call_bytes("order-77", tenant="evil")


@pytest.mark.parametrize(
    "text",
    [
        "{0199c0de-0000-7000-8000-00000000cafe}",
        "urn:uuid:0199c0de-0000-7000-8000-00000000cafe",
        "0199c0de00007000-8000-00000000cafe",
        "0199c0de-0000-7000-8000-00000000cafe ",
        "0199c0de-0000-7000-8000-00000000caf\N{FULLWIDTH LATIN SMALL LETTER E}",
    ],
)
def test_only_plain_spellings_of_a_uuid_count_as_one(text: str) -> None:
    assert call_bytes(text, tenant="acme")[1] == text


def test_half_a_surrogate_pair_names_a_call_too() -> None:
    assert call_bytes("\ud83d", tenant="acme")[1] == "\ud83d"


def test_an_empty_name_is_refused() -> None:
    """Taken as a name it would make one call of all."""
    with pytest.raises(ValueError, match="the call id is empty"):
        call_bytes("", tenant="acme")


@given(call=st.uuids())
def test_a_calls_text_is_its_uuids(call: uuid.UUID) -> None:
    assert call_text(call.bytes) == str(call)


def test_a_record_id_names_tenant_call_and_attempt() -> None:
    assert record_id("acme", CALL.bytes, 65_536) == "acme/0199c0de-0000-7000-8000-00000000cafe.65536"


def test_a_response_of_a_session_has_a_number_of_its_own() -> None:
    assert record_id("acme", CALL.bytes, 0, 3) == "acme/0199c0de-0000-7000-8000-00000000cafe.0.3"


@pytest.mark.parametrize("name", ["a", "acme", "Acme-EU.1_x", "x" * 64])
def test_what_may_name_a_tenant(name: str) -> None:
    assert is_tenant(name)


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "acme\n", "ümlaut", "a:b"])
def test_what_may_not_name_a_tenant(name: str) -> None:
    assert not is_tenant(name)
