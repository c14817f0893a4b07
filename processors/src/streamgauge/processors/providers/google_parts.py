"""The parts of Gemini's content, wherever it comes: in a stream's chunks, in a live session's turns.

    {"text"}  {"text", "thought": true}  {"functionCall"}  {"inlineData"}  {"executableCode"}  {"toolCall"}  …

* A part is whole, except that text goes on in the next part of its kind, sound in the next of its type, and a call on
  Vertex may stream its arguments (`willContinue`).
* `thoughtSignature` seals what was thought before the part it stands on, which may hold nothing else. It stays with the
  thought it follows; where no thought was shown it is one that only came encrypted.
* Images and sound are kept as size and hash. What the provider's own tools did, and kinds nobody knows, are carried.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, Output
from streamgauge.processors.providers.google_arguments import Arguments
from streamgauge.processors.providers.json_values import Document, documents, fields, raw, text
from streamgauge.processors.providers.parts import Growing, OpaqueSoFar, ReasoningSoFar, ToolSoFar, image_of

__all__ = ["abandon_calls", "read_parts"]

_BESIDE: Final = frozenset({"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"})
_TEXT, _REASONING, _TOOL, _OTHER = (
    int(output) for output in (Output.TEXT, Output.REASONING, Output.TOOL, Output.OTHER)
)


class _OpenCall(msgspec.Struct):
    """A call whose arguments stream."""

    tool: ToolSoFar
    arguments: Arguments


def read_parts(answer: Answer, choice: ChoiceSoFar, parts: Any) -> int:
    """Fold these parts into the choice; give the kinds of output they brought."""
    output = 0
    for part in documents(parts):
        signature = text(part.get("thoughtSignature"))
        if signature is not None:
            _sign(choice, signature)
        for name, value in part.items():
            if value is not None and name not in _BESIDE:
                output |= _read_part(answer, choice, part, name, value)
    return output


def abandon_calls(answer: Answer, choice: ChoiceSoFar) -> None:
    """The choice has finished: a call that still streams its arguments was cut."""
    found = answer.scratch.pop(_call_key(choice), None)
    if isinstance(found, _OpenCall):
        found.tool.complete = False


def _call_key(choice: ChoiceSoFar) -> str:
    """Where the scratch holds the call that is open."""
    return f"call {choice.index}"


def _read_part(answer: Answer, choice: ChoiceSoFar, part: Document, name: str, value: Any) -> int:
    match name:
        case "text":
            return _read_text(answer, choice, value, thought=part.get("thought") is True)
        case "functionCall":
            return _read_call(answer, choice, fields(value))
        case "inlineData":
            return _read_data(answer, choice, fields(value))
        case _:
            _begin(answer, choice, name)
            choice.parts[name, len(choice.parts)] = OpaqueSoFar(
                text(name) or "unknown", value if type(value) is dict else part
            )
            return _OTHER


def _begin(answer: Answer, choice: ChoiceSoFar, kind: str) -> tuple[str, int]:
    """The key of the part of this kind that goes on, or of a new one, if another kind came last: that part is over."""
    place = f"part {choice.index}"
    key: tuple[str, int] | None = answer.scratch.get(place)
    if key is None or key[0] != kind:
        before = choice.parts.get(key)
        if isinstance(before, Growing) and not isinstance(before, ToolSoFar):  # a call says itself when it is whole
            before.end()
        key = answer.scratch[place] = (kind, len(choice.parts))
    return key


def _read_text(answer: Answer, choice: ChoiceSoFar, words: Any, *, thought: bool) -> int:
    if type(words) is not str or not words:
        return 0
    if thought:  # "Thinking" in Google's docs: what is shown is a summary
        choice.reasoning(_begin(answer, choice, "thought"), summary=True).pieces.append(words)
        return _REASONING
    choice.text(_begin(answer, choice, "text")).pieces.append(words)
    return _TEXT


def _sign(choice: ChoiceSoFar, signature: str) -> None:
    thoughts = [part for part in choice.parts.values() if isinstance(part, ReasoningSoFar)]
    if not thoughts or thoughts[-1].signature is not None:
        thoughts.append(choice.reasoning(("signature", len(choice.parts))))
    thoughts[-1].signature = signature


# ---------------------------------------------------------------------- calls


def _read_call(answer: Answer, choice: ChoiceSoFar, call: Document) -> int:
    """A call; or, where one is open, what goes on with it. One without a name that goes on with nothing says nothing:
    such is the end of a call that streamed."""
    found: _OpenCall | None = answer.scratch.get(_call_key(choice))
    if found is None or not _goes_on(found.tool, call):
        if text(call.get("name")) is None:
            return 0
        found = _begin_call(answer, choice, call)
    if type(call.get("args")) is dict:
        found.tool.settle(bytes(raw(call["args"])).decode())
    else:
        found.arguments.write(call.get("partialArgs"))
        if call.get("willContinue") is True:
            answer.scratch[_call_key(choice)] = found
            return _TOOL
        found.arguments.close()
    found.tool.end()
    answer.scratch.pop(_call_key(choice), None)
    return _TOOL


def _goes_on(tool: ToolSoFar, call: Document) -> bool:
    name, call_id = text(call.get("name")), text(call.get("id"))
    return name in (None, tool.name) and call_id in (None, tool.id)


def _begin_call(answer: Answer, choice: ChoiceSoFar, call: Document) -> _OpenCall:
    abandon_calls(answer, choice)
    _begin(answer, choice, "call")
    tool = choice.tool(("call", len(choice.parts)))
    tool.id, tool.name = text(call.get("id")), text(call.get("name"))
    return _OpenCall(tool, Arguments(tool.pieces))


# ---------------------------------------------------------------------- images, sound, files


def _read_data(answer: Answer, choice: ChoiceSoFar, blob: Document) -> int:
    data, media_type = blob.get("data"), text(blob.get("mimeType"))
    if type(data) is not str:
        return 0
    kind = (media_type or "").partition("/")[0]
    key = _begin(answer, choice, media_type or "data")
    if kind == "audio":
        sound = choice.audio(key)
        sound.media_type = media_type
        sound.hear(data)
        return _OTHER
    image = image_of(data, media_type=media_type)
    at = ("data", len(choice.parts))
    if kind == "image":
        choice.parts[at] = image
    else:
        reference: Document = {"mimeType": media_type, "bytes": image.bytes, "sha256": image.sha256}
        choice.parts[at] = OpaqueSoFar("inlineData", reference)
    return _OTHER
