"""OpenAI chat completions, and the family that speaks them.

    data: {"id", "object": "chat.completion.chunk", "model", "choices": [{"index", "delta", "finish_reason"}], "usage"}
    data: [DONE]

* A choice has one text, one reasoning and its tool calls, whatever the spelling of the deltas. Twins of a delta
  (Together's `text`, `message` beside it at Perplexity and Writer) are not added to it.
  At Perplexity the message grows beside the deltas; with the finish it is the provider's own copy of the text.
* Usage may stand in any chunk, with choices or without, at the top, in a choice (Moonshot) or in `x_groq`.
* The content is whole when every choice has its finish reason; the stream ends with `[DONE]`, or as the provider's
  entry in `chat_family` says.
* An id that changes is another generation only if the chunk also looks like a first one: Groq's compound systems give
  every chunk an id of its own, Azure begins with a chunk without one. Behind the end, whatever a choice says begins
  another, whatever the id.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import MARKER, Ordinary
from streamgauge.processors.providers.chat_family import ends_with_marker, provider_in
from streamgauge.processors.providers.chat_tools import read_function_call, read_tool_calls, settle_tools
from streamgauge.processors.providers.chat_usage import chat_usage, note_units
from streamgauge.processors.providers.costs import note_cost
from streamgauge.processors.providers.errors import error_in
from streamgauge.processors.providers.growing import settle
from streamgauge.processors.providers.json_values import Document, count, documents, fields, raw, text
from streamgauge.processors.providers.parts import OpaqueSoFar, image_of
from streamgauge.processors.providers.refrain import Growth
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["OPENAI_CHAT", "OpenAiChat"]

_DONE_OBJECT: Final = "chat.completion.done"  # Perplexity's last chunk
_OBJECTS: Final = ("chat.completion.chunk", "chat.completion", _DONE_OBJECT)
_KNOWN_WITHOUT_CHOICES: Final = ("latency_checkpoint", "prompt_filter_results", "x_groq", "error", "moderation")
_OUTPUT_FIELDS: Final = ("content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal")
_SPECIAL: Final = frozenset({"x_groq", "citations", "search_results", "error", "prompt_filter_results"})
_BESIDE_DELTA: Final = frozenset({"usage", "error", "message"})  # in a choice, beside its delta
_PADDING: Final = "obfuscation"  # random letters, so that the sizes of events betray nothing
_RUNNING: Final = frozenset({"output", "total"})  # canonical fields that still grow while a choice does
_OUTPUTS: Final = tuple(Output(value) for value in range(16))
_TEXT, _REASONING, _TOOL, _OTHER = (
    int(output) for output in (Output.TEXT, Output.REASONING, Output.TOOL, Output.OTHER)
)


class OpenAiChat(Ordinary):
    """The wire API `openai.chat`."""

    name = "openai.chat"
    operation = Operation.CHAT

    def recognises(self, document: Document) -> bool:
        if document.get("object") in _OBJECTS:
            return True
        return any("delta" in choice or "message" in choice for choice in documents(document.get("choices")))

    def provider_in(self, document: Document) -> str | None:
        return provider_in(document)

    def is_body(self, document: Document) -> bool:
        if document.get("object") == "chat.completion.chunk":
            return False
        choices = documents(document.get("choices"))
        if document.get("object") == "chat.completion":  # older streams name their chunks so too
            return bool(choices) and not any("delta" in choice for choice in choices)
        return any("message" in choice and "delta" not in choice for choice in choices) and "object" not in document

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            _read_marker(answer, event)
            return Output.NOTHING
        if answer.model is None or answer.response_id is None:
            _identify(answer, document)
        output = 0
        choices = document.get("choices")
        if type(choices) is list:
            for choice in choices:
                if type(choice) is dict:
                    output |= _read_choice(answer, choice, event.end)
        if document.get("usage"):
            _read_usage(answer, document["usage"], choices)
        elif not choices:
            _read_without_choices(answer, document)
        if "x_groq" in document:
            _read_groq(answer, fields(document["x_groq"]), choices, event.end)
        if document.get("citations") or document.get("search_results"):
            _read_search(answer, document)
        if document.get("object") == _DONE_OBJECT:
            answer.end("completed", _DONE_OBJECT, offset=event.end)
        return _OUTPUTS[output]

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        _identify(answer, document)
        output = 0
        for choice in documents(document.get("choices")):
            output |= _read_choice(answer, {**choice, "delta": choice.get("message")}, end)
        if document.get("usage"):
            _read_usage(answer, document["usage"], None)
        answer.usage_breakdown = documents(fields(document.get("usage_breakdown")).get("models"))
        if document.get("citations") or document.get("search_results"):
            _read_search(answer, document)
        return _OUTPUTS[output]

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        if answer.ending is not None and answer.ending.kind == "completed" and _says_something(document):
            return True
        chunk_id = document.get("id")
        if chunk_id == answer.response_id or not answer.choices or document.get("error"):
            return False  # an error ends this generation, whatever id it comes with
        return _is_another(answer, document, text(chunk_id))

    def growth(self, answer: Answer, document: Document) -> Growth | None:
        choices = documents(document.get("choices"))
        plain = len(choices) == 1 and not document.get("usage") and _SPECIAL.isdisjoint(document)
        known = answer.model is not None and document.get("id") == answer.response_id is not None
        known = known and answer.ending is None  # behind an ending, output is another generation's
        padding = _PADDING if type(document.get(_PADDING)) is str else None
        return _growth(answer, choices[0], padding) if plain and known else None

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:
        return (documents_only or not ends_with_marker(provider)) and answer.finished()

    def usage(self, raw: Document) -> Usage:
        return chat_usage(raw)


OPENAI_CHAT: Final = OpenAiChat()


# ---------------------------------------------------------------------- what a chunk is about


def _read_marker(answer: Answer, event: Event) -> None:
    payload = event.data.strip()
    if payload.startswith(MARKER):
        answer.end("completed", MARKER.decode(), offset=event.end)
    elif payload:
        answer.unknown_events += 1


def _identify(answer: Answer, document: Document) -> None:
    """The first id and model that are not empty: Azure's first chunk has neither."""
    if answer.response_id is None:
        answer.response_id = text(document.get("id"))
        answer.scratch["id_since"] = answer.events
    answer.model = answer.model or text(document.get("model"))
    answer.service_tier = answer.service_tier or text(document.get("service_tier"))
    answer.provider = answer.provider or text(document.get("provider"))
    if "created" in document:
        answer.scratch.setdefault("created", document["created"])


def _read_without_choices(answer: Answer, document: Document) -> None:
    known = document.get("object") in _OBJECTS or document.get("type") == "ping"
    if not known and not any(name in document for name in _KNOWN_WITHOUT_CHOICES):
        answer.unknown_events += 1


def _says_something(document: Document) -> bool:
    """Whether a choice brings output or names its role, as none does behind the end of its generation."""
    if document.get("error"):
        return False
    deltas = [fields(choice.get("delta")) for choice in documents(document.get("choices"))]
    return any(delta.get(name) for delta in deltas for name in ("role", *_OUTPUT_FIELDS))


def _is_another(answer: Answer, document: Document, chunk_id: str | None) -> bool:
    """Whether a chunk of another id begins another generation.

    `begins`: it looks like a first chunk. `steady`: the id before was the same in every chunk, two at least, so this
    provider does not give each chunk its own.
    """
    deltas = [fields(choice.get("delta")) for choice in documents(document.get("choices"))]
    begins = "prompt_filter_results" in document or any(delta.get("role") for delta in deltas)
    ended = answer.ending is not None or answer.finished()
    same_time = document.get("created") == answer.scratch.get("created")
    if begins and document.get("model") not in (answer.model, None, ""):
        return True
    if chunk_id is None or answer.response_id is None:  # one of the two goes without ids: the time tells
        return begins and not same_time and (chunk_id is not None or ended)
    varying = answer.scratch.get("ids_vary", False)
    steady = not varying and answer.events > answer.scratch.get("id_since", 0)
    if begins and (ended or steady or not (varying or same_time)):
        return True
    if (ended or steady) and any(any(delta.get(name) for name in _OUTPUT_FIELDS) for delta in deltas):
        return True
    if deltas:
        answer.scratch["ids_vary"] = True
    return False


# ---------------------------------------------------------------------- choices


def _read_choice(answer: Answer, choice: Document, end: int) -> int:
    index = choice.get("index")
    if type(index) is not int:
        index = 0
    so_far = answer.choices.get(index) or answer.choice(index)
    delta = choice.get("delta")
    output = 0
    if type(delta) is dict:
        content = delta.get("content")
        if type(content) is str:
            if content:
                so_far.text().pieces.append(content)
                output = _TEXT
        elif content:
            output = _read_content_list(so_far, content)
        if len(delta) > 1 or "content" not in delta:
            output |= _read_delta(so_far, delta)
    elif type(choice.get("text")) is str and choice["text"]:
        so_far.text().pieces.append(choice["text"])
        output = _TEXT
    finish_reason = choice.get("finish_reason")
    if finish_reason is not None:
        _settle_message(answer, so_far, choice)
        _finish(answer, so_far, choice, end)
    if "error" in choice:
        _fail(answer, choice, end)
    if "usage" in choice:
        _read_usage(answer, choice["usage"], [choice])
    return output


def _settle_message(answer: Answer, so_far: ChoiceSoFar, choice: Document) -> None:
    """Perplexity's message beside its last delta is its own copy of the whole text; Writer's is a twin of the delta."""
    whole = fields(choice.get("message")).get("content")
    if type(whole) is str and whole != fields(choice.get("delta")).get("content"):
        part = so_far.text()
        if len(whole) >= sum(map(len, part.pieces)):
            settle(answer, part, whole, Output.TEXT)


def _growth(answer: Answer, choice: Document, padding: str | None) -> Growth | None:
    """Whether all of a choice was one piece of its text, or of its reasoning."""
    delta, index = fields(choice.get("delta")), choice.get("index")
    so_far = answer.choices.get(index) if type(index) is int else None
    if so_far is None or so_far.role is None or choice.get("finish_reason") is not None:
        return None
    if not _BESIDE_DELTA.isdisjoint(choice):
        return None
    match [name for name, value in delta.items() if name != "role" and value not in (None, [])]:
        case ["content"] if type(delta["content"]) is str:
            return Growth(delta, "content", so_far.text().pieces, padding)
        case ["reasoning_content" | "reasoning" as field] if type(delta[field]) is str:
            return Growth(delta, field, so_far.reasoning().pieces, padding)
        case _:
            return None


def _read_delta(choice: ChoiceSoFar, delta: Document) -> int:
    """Everything in a delta beside its content."""
    output = 0
    if choice.role is None:
        choice.role = text(delta.get("role"))
    reasoning = delta.get("reasoning_content") or delta.get("reasoning")
    if type(reasoning) is str:
        choice.reasoning().pieces.append(reasoning)
        output |= _REASONING
    if delta.get("reasoning_details"):
        output |= _read_reasoning_details(choice, delta["reasoning_details"], told=bool(reasoning))
    if delta.get("tool_calls") and read_tool_calls(choice, delta["tool_calls"]):
        output |= _TOOL
    if delta.get("function_call") and read_function_call(choice, delta["function_call"]):
        output |= _TOOL
    refusal = delta.get("refusal")
    if refusal and type(refusal) is str:
        choice.text("refusal", refusal=True).pieces.append(refusal)
        output |= _OTHER
    for name, read in _RARE.items():
        if delta.get(name):
            read(choice, delta[name])
            output |= _OTHER
    return output


def _read_content_list(choice: ChoiceSoFar, content: Any) -> int:
    """Mistral's content: a list of text, thinking and references."""
    output = 0
    for item in documents(content):
        thinking = item.get("thinking")
        if type(thinking) is list:
            thinking = "".join(text(part.get("text")) or "" for part in documents(thinking))
        if type(item.get("text")) is str and item["text"]:
            choice.text().pieces.append(item["text"])
            output |= _TEXT
        elif type(thinking) is str and thinking:
            choice.reasoning().pieces.append(thinking)
            output |= _REASONING
        elif item.get("type") in ("reference", "image_url"):
            choice.parts["item", len(choice.parts)] = OpaqueSoFar(str(item["type"]), item)
            output |= _OTHER
    return output


def _read_reasoning_details(choice: ChoiceSoFar, details: Any, *, told: bool) -> int:
    """OpenRouter's details: signatures and what is encrypted; their text only where no `reasoning` twin told it."""
    output = 0
    for detail in documents(details):
        words = detail.get("text") or detail.get("summary")
        if type(words) is str and words and not told:
            choice.reasoning().pieces.append(words)
            output |= _REASONING
        proof = text(detail.get("signature")) or text(detail.get("data"))
        if proof is not None:
            choice.reasoning().signature = proof
            output |= _REASONING
    return output


def _read_audio(choice: ChoiceSoFar, audio: Any) -> None:
    so_far = choice.audio()
    fragment = fields(audio)
    if type(fragment.get("data")) is str:
        so_far.hear(fragment["data"])
    if type(fragment.get("transcript")) is str:
        so_far.pieces.append(fragment["transcript"])


def _read_annotations(choice: ChoiceSoFar, annotations: Any) -> None:
    for annotation in documents(annotations):
        choice.parts["citation", len(choice.parts)] = Citation(citation=raw(annotation))


def _read_images(choice: ChoiceSoFar, images: Any) -> None:
    for image in documents(images):
        url = fields(image.get("image_url")).get("url") or image.get("url")
        if type(url) is str and url:
            choice.parts["image", len(choice.parts)] = image_of(url)


def _read_executed_tools(choice: ChoiceSoFar, tools: Any) -> None:
    """Tools Groq has run itself; each comes again with its output, under its index."""
    for place, tool in enumerate(documents(tools)):
        key = ("executed", count(tool.get("index")) or place)
        so_far = choice.parts.get(key)
        if isinstance(so_far, OpaqueSoFar):
            so_far.settle({**so_far.value, **tool})
        else:
            choice.parts[key] = OpaqueSoFar("executed_tool", tool)


_RARE: Final = {
    "audio": _read_audio,
    "annotations": _read_annotations,
    "images": _read_images,
    "executed_tools": _read_executed_tools,
}


def _finish(answer: Answer, so_far: ChoiceSoFar, choice: Document, end: int) -> None:
    reason = text(choice.get("finish_reason"))
    if reason is None:
        return
    if so_far.finish_reason not in (None, reason):
        answer.warn("finish_reason_changed")
    so_far.finish_reason = reason
    settle_tools(so_far, reason)
    if reason == "error":
        answer.fail(ErrorSeen(type="finish_reason error", raw=raw(choice)), "finish_reason error", offset=end)


def _fail(answer: Answer, document: Document, end: int) -> None:
    found = error_in(document)
    if found is not None:
        answer.fail(found, "error event", offset=end)


# ---------------------------------------------------------------------- usage and what stands beside


def _read_usage(answer: Answer, usage: Any, choices: Any) -> None:
    """A report in a chunk whose choices still grow is a running count; any other is the provider's last word."""
    if type(usage) is not dict:
        return
    running = bool(choices) and not answer.finished()
    answer.add_usage(usage, preliminary=_RUNNING if running else frozenset())
    note_cost(answer, usage)
    note_units(answer, usage)


def _read_groq(answer: Answer, x_groq: Document, choices: Any, end: int) -> None:
    usage = x_groq.get("usage")
    if type(usage) is dict:
        _read_usage(answer, usage, choices)
    models = documents(fields(x_groq.get("usage_breakdown")).get("models"))
    if models:
        answer.usage_breakdown = models
    _fail(answer, x_groq, end)


def _read_search(answer: Answer, document: Document) -> None:
    """Perplexity's sources, repeated in every chunk: kept once, the longest list."""
    sources = {name: document[name] for name in ("citations", "search_results") if document.get(name)}
    size = sum(len(value) for value in sources.values() if type(value) is list)
    if size > answer.scratch.get("sources", 0):
        answer.scratch["sources"] = size
        answer.choice().parts["search_results"] = OpaqueSoFar("search_results", sources)
