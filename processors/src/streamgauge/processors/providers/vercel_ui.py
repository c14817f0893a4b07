"""Vercel's AI SDK, the protocol between an application's server and its page: parts of a message.

    data: {"type": "start", "messageId"}
    data: {"type": "text-start" | "text-delta" | "text-end", "id", "delta"}          reasoning-… the same
    data: {"type": "tool-input-start" | "tool-input-delta" | "tool-input-available", "toolCallId", …}
    data: {"type": "finish" | "abort" | "error"}
    data: [DONE]

* It passes whatever path an application gave it: its header `x-vercel-ai-ui-message-stream` tells.
* The model is not named and nothing is counted. `abort` says that the page has stopped it.
* Results of tools, sources, files and the application's own data are carried.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import MARKER, Ordinary, is_marker
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, raw, text
from streamgauge.processors.providers.parts import OpaqueSoFar
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["VERCEL_UI", "VercelUi"]

_SILENT: Final = (
    "text-start",
    "text-end",
    "reasoning-start",
    "reasoning-end",
    "start-step",
    "finish-step",
    "message-metadata",
    "error",
)
_CARRIED: Final = ("source-", "file", "data-", "tool-output-", "tool-input-error", "tool-approval-")


class VercelUi(Ordinary):
    """The wire API `vercel.ui`."""

    name = "vercel.ui"
    operation = Operation.CHAT
    gives_reasons = False

    def recognises(self, document: Document) -> bool:  # noqa: ARG002 - the header tells, and nothing else
        return False

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            if is_marker(event):
                answer.end("completed", MARKER.decode(), offset=event.end)
            else:
                answer.unknown_events += 1
            return Output.NOTHING
        kind = text(document.get("type")) or ""
        choice = answer.choice()
        match kind:
            case "start":
                answer.response_id = answer.response_id or text(document.get("messageId"))
            case "text-delta":
                return grow(choice.text(("text", text(document.get("id")))), document.get("delta"), Output.TEXT)
            case "reasoning-delta":
                part = choice.reasoning(("reasoning", text(document.get("id"))))
                return grow(part, document.get("delta"), Output.REASONING)
            case "tool-input-start" | "tool-input-delta" | "tool-input-available":
                return _read_call(answer, document, whole=kind == "tool-input-available")
            case "finish":
                answer.scratch["finished"] = True
                choice.finish_reason = text(document.get("finishReason"))
            case "abort":
                answer.end("cancelled", "abort", offset=event.end)
            case _ if kind.startswith(_CARRIED):
                choice.parts[kind, len(choice.parts)] = OpaqueSoFar(kind, document)
                return Output.OTHER
            case _:
                answer.unknown_events += kind not in _SILENT and "error" not in document
        return Output.NOTHING

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Another start; a step begins with one too, and then names no other message."""
        if document.get("type") != "start" or not answer.choices:
            return False
        return answer.ending is not None or text(document.get("messageId")) not in (None, answer.response_id)

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return documents_only and bool(answer.scratch.get("finished"))

    def content_complete(self, answer: Answer) -> bool:
        ended = answer.ending is not None and answer.ending.kind == "completed"
        return ended or bool(answer.scratch.get("finished"))

    def usage(self, raw: Document) -> Usage:  # noqa: ARG002 - it never reports any
        return Usage()


VERCEL_UI: Final = VercelUi()


def _read_call(answer: Answer, document: Document, *, whole: bool) -> Output:
    tool = answer.choice().tool(("call", text(document.get("toolCallId"))))
    tool.id = tool.id or text(document.get("toolCallId"))
    named = tool.name is None and text(document.get("toolName")) is not None
    tool.name = tool.name or text(document.get("toolName"))
    tool.server_side = tool.server_side or document.get("providerExecuted") is True
    begun = bool(tool.pieces)
    if whole:
        given = document.get("input")
        tool.settle(given if type(given) is str else bytes(raw(given)).decode())
        tool.end()
    grown = grow(tool, document.get("inputTextDelta"), Output.TOOL)
    return Output.TOOL if named or (whole and not begun) else grown
