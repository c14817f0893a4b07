"""The output items of a response while they grow, and the provider's own copies that settle them.

Everything lies in the one choice of a response, under keys `(kind, output_index, …)`:

    ("text" | "refusal" | "audio", output_index, content_index)      parts of a message
    ("citation", output_index, content_index, annotation_index)
    ("summary", output_index, summary_index)                         reasoning, as the provider sums it up
    ("thought", output_index, content_index)                         reasoning itself, of open models
    ("sealed", output_index)                                         reasoning of which only the encrypted form came
    ("item", output_index)                                           a tool call, an image, or what we only carry

A settling function says which kinds of output its copy brought that had not been streamed, and notes on the answer
where a copy contradicts what was.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, Output
from streamgauge.processors.providers.json_values import Document, documents, fields, raw, text
from streamgauge.processors.providers.parts import OpaqueSoFar, ReasoningSoFar, TextSoFar, ToolSoFar, image_of
from streamgauge.schemas.records import Citation, Hole

__all__ = ["add_annotation", "grow_item", "settle", "settle_item", "settle_output", "settle_part"]

_TEXT, _REASONING, _TOOL, _OTHER = (
    int(output) for output in (Output.TEXT, Output.REASONING, Output.TOOL, Output.OTHER)
)
_KINDS: Final = {  # of parts, by the provider's name of them
    "output_text": "text",
    "text": "text",
    "refusal": "refusal",
    "reasoning_text": "thought",
    "summary_text": "summary",
}
_CALLS: Final = {
    "function_call": "arguments",
    "custom_tool_call": "input",
}  # calls for the application; what they carry


def settle(answer: Answer, part: TextSoFar | ReasoningSoFar | ToolSoFar, whole: Any, *, output: int) -> int:
    """Put the provider's copy in the place of the pieces. An empty copy of what was streamed proves nothing."""
    if type(whole) is not str or not whole:
        return 0
    begun = bool(part.pieces)
    if part.settle(whole):
        answer.warn("snapshot_differs")
    return 0 if begun else output


def settle_part(answer: Answer, part: Any, *, at: int, place: int) -> int:
    """Take a content part of a message or of reasoning."""
    choice = answer.choice()
    match _KINDS.get(text(fields(part).get("type")) or ""):
        case "text":
            output = settle(answer, choice.text(("text", at, place)), part.get("text"), output=_TEXT)
            for number, annotation in enumerate(documents(part.get("annotations"))):
                add_annotation(choice, annotation, at=at, place=place, number=number)
            return output
        case "refusal":
            refusal = choice.text(("refusal", at, place), refusal=True)
            return settle(answer, refusal, part.get("refusal"), output=_OTHER)
        case "thought":
            return settle(answer, choice.reasoning(("thought", at, place)), part.get("text"), output=_REASONING)
        case "summary":
            summary = choice.reasoning(("summary", at, place), summary=True)
            return settle(answer, summary, part.get("text"), output=_REASONING)
        case _:
            return 0


def add_annotation(choice: ChoiceSoFar, annotation: Any, *, at: int, place: int, number: int) -> None:
    """Take an annotation of a text; its number makes a second copy the same one."""
    choice.parts["citation", at, place, number] = Citation(citation=raw(annotation))


def grow_item(answer: Answer, field: str, piece: str, *, at: int) -> int:
    """Add what streams for a field of an item we only carry."""
    item = answer.choice().parts.get(("item", at))
    if not isinstance(item, OpaqueSoFar):
        item = answer.choice().parts["item", at] = OpaqueSoFar("unknown", {})
    item.grow(field, piece)
    return _OTHER


def settle_item(answer: Answer, item: Any, *, at: int, done: bool) -> int:
    """Take an item as it stands: when it begins, and when it is whole."""
    item = fields(item)
    kind = text(item.get("type"))
    choice = answer.choice()
    match kind:
        case "message":
            choice.role = choice.role or text(item.get("role"))
            return _settle_parts(answer, documents(item.get("content")), at=at)
        case "function_call" | "custom_tool_call":
            return _settle_call(answer, item, _CALLS[kind], at=at, done=done)
        case "reasoning":
            return _settle_reasoning(answer, item, at=at)
        case None:
            return 0
        case "image_generation_call" if text(item.get("result")):
            media_type = f"image/{text(item.get('output_format')) or 'png'}"
            choice.parts["item", at] = image_of(item["result"], media_type=media_type)
            return _OTHER
        case _:
            return _settle_carried(choice, kind, item, at=at)


def settle_output(answer: Answer, output: Any) -> int:
    """Take the final list of items. An item that was streamed at another place is found there by its id."""
    items = documents(output)
    if not items:
        return 0
    places: dict[str, int] = answer.scratch.get("items", {})
    found = 0
    for at, item in enumerate(items):
        found |= settle_item(answer, item, at=places.get(text(item.get("id")) or "", at), done=True)
    choice = answer.choice()
    told = [entry for entry in choice.parts.items() if not isinstance(entry[1], Hole)]  # no item is missing any longer
    choice.parts = dict(sorted(told, key=lambda entry: _output_index(entry[0])))
    return found


def _settle_call(answer: Answer, item: Document, field: str, *, at: int, done: bool) -> int:
    tool = answer.choice().tool(("item", at))
    begun = tool.name is not None
    tool.id = tool.id or text(item.get("call_id")) or text(item.get("id"))
    tool.name = tool.name or text(item.get("name"))
    output = settle(answer, tool, item.get(field), output=_TOOL)
    if done:
        tool.complete = item.get("status") != "incomplete"
    return output if begun or tool.name is None else _TOOL


def _settle_reasoning(answer: Answer, item: Document, *, at: int) -> int:
    output = _settle_parts(answer, [*documents(item.get("summary")), *documents(item.get("content"))], at=at)
    sealed = text(item.get("encrypted_content"))
    if sealed is None:
        return output
    parts = answer.choice().parts
    told = next((part for key, part in parts.items() if _is_told(key, at) and isinstance(part, ReasoningSoFar)), None)
    if told is not None:
        parts.pop(("sealed", at), None)
        told.signature = sealed
        return output
    begun = ("sealed", at) in parts
    answer.choice().reasoning(("sealed", at)).signature = sealed
    return output if begun else output | _REASONING


def _is_told(key: object, at: int) -> bool:
    return type(key) is tuple and key[:1] in (("summary",), ("thought",)) and key[1] == at


def _settle_carried(choice: ChoiceSoFar, kind: str, item: Document, *, at: int) -> int:
    carried = choice.parts.get(("item", at))
    if isinstance(carried, OpaqueSoFar):
        carried.kind = kind
        carried.settle(item)
        return 0
    choice.parts["item", at] = OpaqueSoFar(kind, item)
    return _OTHER


def _settle_parts(answer: Answer, parts: list[Document], *, at: int) -> int:
    """Take the parts of a whole item. The n-th of a kind is the n-th that streamed, whatever index its events had:
    gpt-oss behind vLLM numbers a message's first part 1."""
    streamed: dict[object, list[int]] = {}
    for key in answer.choice().parts:
        if type(key) is tuple and key[1] == at and len(key) == 3:
            streamed.setdefault(key[0], []).append(key[2])
    output = 0
    for place, part in enumerate(parts):
        places = streamed.get(_KINDS.get(text(part.get("type")) or "", ""))
        output |= settle_part(answer, part, at=at, place=places.pop(0) if places else place)
    return output


def _output_index(key: object) -> int:
    return key[1] if type(key) is tuple and type(key[1]) is int else 0
