"""OpenAI responses: named and numbered events, every part begun, streamed, repeated whole and done.

The number of an event is its place in the stream, so a client that lost its connection asks for what follows
(`starting_after`).
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.demo.script import Answer, Script, Tool
from streamgauge.processors.demo.simulated.chat import error_body
from streamgauge.processors.demo.simulated.dialect import Ids, Wanted, encode, event
from streamgauge.processors.demo.truth import Said, Speech, Step

__all__ = ["RESPONSES"]

_FAILED: Final = "The server had an error while processing your request."


class _Responses:
    api = "openai.responses"

    def steps(self, script: Script, ids: Ids, wanted: Wanted) -> list[Step]:
        """Created, the items one after the other, and the response once more as a whole."""
        stream = _Numbered()
        response = _response(script, ids, wanted)
        opening = "queued" if wanted.background else "in_progress"
        stream.add("response.created", {"response": {**response, "status": opening}})
        if wanted.background:
            stream.add("response.queued", {"response": {**response, "status": "queued"}})
        stream.add("response.in_progress", {"response": response})
        items = _items(script.answers[0], ids)
        for index, item in enumerate(items):
            _stream_item(stream, index, item, script.answers[0], ids)
        final = _finished(response, items, script)
        stream.add("response.incomplete" if script.finish == "length" else "response.completed", {"response": final})
        stream.steps[-1] = stream.steps[-1]._replace(marker=True)
        return stream.steps

    def whole(self, script: Script, ids: Ids, wanted: Wanted) -> bytes:
        """A `response`."""
        return encode(_finished(_response(script, ids, wanted), _items(script.answers[0], ids), script))

    def broken(self, script: Script, ids: Ids, sent: int) -> list[Step]:
        """An error event and the response, failed. The ids are fresh, so it is named as in the events before."""
        stream = _Numbered(sent)
        error = {"type": "server_error", "code": "server_error", "message": _FAILED, "param": None}
        stream.add("error", {"error": error})
        response = _response(script, ids, Wanted())
        failure = {"code": "server_error", "message": _FAILED}
        stream.add("response.failed", {"response": {**response, "status": "failed", "error": failure}})
        return stream.steps

    def refused(self, status: int, ids: Ids) -> bytes:  # noqa: ARG002
        """An error object."""
        if status == 401:
            return encode(error_body("invalid_request_error", "Incorrect API key provided.", "invalid_api_key"))
        return encode(error_body("requests", "Rate limit reached for requests.", "rate_limit_exceeded"))


class _Numbered:
    """The events so far."""

    def __init__(self, start: int = 0) -> None:
        self.steps: list[Step] = []
        self._start = start

    def add(self, kind: str, payload: dict[str, Any], *speech: Speech) -> None:
        """The next event."""
        number = self._start + len(self.steps)
        self.steps.append(Step(event({"type": kind, "sequence_number": number, **payload}, named=True), speech))


def _response(script: Script, ids: Ids, wanted: Wanted) -> dict[str, Any]:
    return {
        "id": ids.draw("resp_", 48),
        "object": "response",
        "created_at": wanted.created,
        "status": "in_progress",
        "background": wanted.background,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": script.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": "default",
        "store": wanted.background,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": {},
    }


def _finished(response: dict[str, Any], items: list[dict[str, Any]], script: Script) -> dict[str, Any]:
    cut = script.finish == "length"
    return {
        **response,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": items,
        "usage": {
            "input_tokens": script.input_tokens,
            "input_tokens_details": {"cached_tokens": script.cached_tokens},
            "output_tokens": script.output_tokens,
            "output_tokens_details": {"reasoning_tokens": script.reasoning_tokens},
            "total_tokens": script.input_tokens + script.output_tokens,
        },
    }


def _items(answer: Answer, ids: Ids) -> list[dict[str, Any]]:
    """The output items as they stand at the end: reasoning, message, calls."""
    items: list[dict[str, Any]] = []
    if answer.reasoning:
        summary = [{"type": "summary_text", "text": "".join(answer.reasoning)}]
        items.append({"id": ids.draw("rs_", 48), "type": "reasoning", "summary": summary})
    if answer.text:
        part = _text_part("".join(answer.text))
        message = {"type": "message", "status": "completed", "role": "assistant", "content": [part]}
        items.append({"id": ids.draw("msg_", 48), **message})
    items += [_call(tool, ids) for tool in answer.tools]
    return items


def _call(tool: Tool, ids: Ids) -> dict[str, Any]:
    return {
        "id": ids.draw("fc_", 48),
        "type": "function_call",
        "status": "completed",
        "call_id": ids.draw("call_"),
        "name": tool.name,
        "arguments": "".join(tool.arguments),
    }


def _stream_item(stream: _Numbered, index: int, item: dict[str, Any], answer: Answer, ids: Ids) -> None:
    match item["type"]:
        case "reasoning":
            _stream_reasoning(stream, index, item, answer, ids)
        case "message":
            _stream_message(stream, index, item, answer, ids)
        case _:
            calls = sum(1 for one in (answer.reasoning, answer.text) if one)
            _stream_call(stream, index, item, answer.tools[index - calls], index - calls, ids)


def _stream_reasoning(stream: _Numbered, index: int, item: dict[str, Any], answer: Answer, ids: Ids) -> None:
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    stream.add("response.output_item.added", {"output_index": index, "item": {**item, "summary": []}})
    empty = {"type": "summary_text", "text": ""}
    stream.add("response.reasoning_summary_part.added", {**place, "part": empty})
    for piece in answer.reasoning:
        payload = {**place, "delta": piece, "obfuscation": ids.letters(8)}
        stream.add("response.reasoning_summary_text.delta", payload, Speech(Said.REASONING, piece))
    stream.add("response.reasoning_summary_text.done", {**place, "text": "".join(answer.reasoning)})
    stream.add("response.reasoning_summary_part.done", {**place, "part": item["summary"][0]})
    stream.add("response.output_item.done", {"output_index": index, "item": item})


def _stream_message(stream: _Numbered, index: int, item: dict[str, Any], answer: Answer, ids: Ids) -> None:
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    begun = {**item, "status": "in_progress", "content": []}
    stream.add("response.output_item.added", {"output_index": index, "item": begun})
    stream.add("response.content_part.added", {**place, "part": _text_part("")})
    for piece in answer.text:
        payload = {**place, "delta": piece, "logprobs": [], "obfuscation": ids.letters(8)}
        stream.add("response.output_text.delta", payload, Speech(Said.TEXT, piece))
    stream.add("response.output_text.done", {**place, "text": "".join(answer.text), "logprobs": []})
    stream.add("response.content_part.done", {**place, "part": item["content"][0]})
    stream.add("response.output_item.done", {"output_index": index, "item": item})


def _stream_call(stream: _Numbered, index: int, item: dict[str, Any], tool: Tool, call: int, ids: Ids) -> None:
    place = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress", "arguments": ""}
    stream.add(
        "response.output_item.added", {"output_index": index, "item": begun}, Speech(Said.TOOL, tool.name, 0, call)
    )
    for piece in tool.arguments:
        payload = {**place, "delta": piece, "obfuscation": ids.letters(8)}
        stream.add("response.function_call_arguments.delta", payload, Speech(Said.ARGUMENTS, piece, 0, call))
    stream.add("response.function_call_arguments.done", {**place, "arguments": "".join(tool.arguments)})
    stream.add("response.output_item.done", {"output_index": index, "item": item})


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


RESPONSES = _Responses()
