"""The plain formats models on Bedrock have of their own: a piece of text, and why it ends.

    Titan      {"outputText", "index", "completionReason"}          body {"results": [{"outputText", …}]}
    Llama      {"generation", "stop_reason"}                        the same
    Mistral    {"outputs": [{"text", "stop_reason"}]}               the same
    Command    {"text", "index", "is_finished", "finish_reason"}    body {"generations": [{"text", …}]}
    Claude 2   {"completion", "stop_reason"}                        the same
    Jurassic   no streams                                           body {"completions": [{"data", "finishReason"}]}

* Several generations of Command come one after the other, told apart by `index`; the last event ends them all.
* Llama counts as it goes, and its input in the first event alone: an event that counts the input again, and the output
  from the beginning, is of another generation. Nothing shows that of the others before they end.
* Bodies of other models bring no text: embeddings are only counted, images stand as length and hash.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, Output
from streamgauge.processors.providers.json_values import Document, count, documents, fields, text
from streamgauge.processors.providers.parts import image_of

__all__ = ["completion_format", "is_completion_body", "read_completion", "restarts"]

_SIGNS: Final = ("is_finished", "outputText", "generation", "outputs", "completion", "results", "text")
_LISTS: Final = ("outputs", "results", "generations", "completions")
_TEXTS: Final = ("outputText", "generation", "completion", "text")
_REASONS: Final = ("completionReason", "stop_reason", "finish_reason", "finishReason")
_OTHER_BODIES: Final = frozenset({"embedding", "embeddings", "embeddingsByType", "images", *_LISTS} - {"outputs"})
_COUNTS: Final = (
    ("prompt_token_count", "generation_token_count"),
    ("inputTextTokenCount", "totalOutputTextTokenCount"),
)
_RUNNING: Final = frozenset({"output", "total"})


def completion_format(document: Document) -> str | None:
    """The field that tells which of these formats an event is of; null where it is of none."""
    return next((sign for sign in _SIGNS if sign in document), None)


def is_completion_body(document: Document) -> bool:
    """Whether this is a whole body."""
    if "is_finished" in document:
        return False
    return not _OTHER_BODIES.isdisjoint(document) or any(_reason(item) is not None for _, item in _items(document))


def read_completion(answer: Answer, document: Document) -> Output:
    """Fold one event, or a body, into the answer."""
    answer.response_id = answer.response_id or text(document.get("id"))
    output = Output.NOTHING
    for index, item in _items(document):
        said, reason = _said(item), _reason(item)
        if said:
            answer.choice(index or 0).text().pieces.append(said)
            output |= Output.TEXT
        for choice in _ended(answer, index) if reason else ():
            choice.finish_reason = reason
    images = document.get("images")
    for image in images if type(images) is list else ():
        if type(image) is str:
            answer.choice().parts["image", len(answer.choice().parts)] = image_of(image)
            output |= Output.OTHER
    _read_counts(answer, document)
    return output


def restarts(answer: Answer, document: Document) -> bool:
    """Whether this event counts from the beginning again."""
    before = answer.usage_raw or {}
    for given, made in _COUNTS:
        counted, so_far = count(document.get(made)), count(before.get(made))
        if count(document.get(given)) is not None and given in before and counted is not None and so_far is not None:
            return counted <= so_far
    return False


def _items(document: Document) -> list[tuple[int | None, Document]]:
    """The generations a document speaks of, by index: those it lists, else the one it is."""
    listed = next((document[name] for name in _LISTS if type(document.get(name)) is list), None)
    if listed is None:
        return [(count(document.get("index")), document)]
    return list(enumerate(documents(listed)))


def _said(item: Document) -> str | None:
    found: Any = next((item[name] for name in _TEXTS if type(item.get(name)) is str), None)
    found = fields(item.get("data")).get("text") if found is None else found
    return found if type(found) is str else None


def _reason(item: Document) -> str | None:
    found = next((item[name] for name in _REASONS if item.get(name)), None)
    return text(found.get("reason") if type(found) is dict else found)


def _ended(answer: Answer, index: int | None) -> list[ChoiceSoFar]:
    """The choices an event ends: its own, or all there are where it names none."""
    if index is None and answer.choices:
        return list(answer.choices.values())
    return [answer.choice(index or 0)]


def _read_counts(answer: Answer, document: Document) -> None:
    report = {name: document[name] for names in _COUNTS for name in names if count(document.get(name)) is not None}
    if report:
        answer.add_usage(report, preliminary=frozenset() if answer.finished() else _RUNNING)
