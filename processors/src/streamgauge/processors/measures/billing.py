"""Billing: whether the provider will ask money for a stream, and what lets us think so.

No provider says it in the stream itself, so this is a judgement, and `billing_basis` names its ground:

    usage_stated          billed        the provider counted the tokens, as its last word
    completed             likely        the answer is whole, but nobody counted
    rejected              not_billed    refused before anything was generated
    interrupted           likely        output had come when the stream broke off: providers bill what was generated
                                        until they notice, some to the end (Bedrock), some stop at once (Fireworks)
    failed_after_output   unknown       providers differ, and few say what they do
    no_output             unknown       nothing was seen of what may have been generated
"""

from __future__ import annotations

from typing import NamedTuple

from streamgauge.schemas.words import Billing, Outcome, UsageSource

__all__ = ["Bill", "bill"]


class Bill(NamedTuple):
    """The judgement and its ground."""

    billing: Billing
    basis: str


def bill(outcome: Outcome | None, *, usage_source: UsageSource, output_seen: bool) -> Bill:
    """Whether a stream that ended so will be billed; `output_seen` says that anything generated was streamed."""
    match outcome:
        case Outcome.REJECTED:
            return Bill(Billing.NOT_BILLED, "rejected")
        case _ if usage_source is UsageSource.PROVIDER:
            return Bill(Billing.BILLED, "usage_stated")
        case Outcome.COMPLETED:
            return Bill(Billing.LIKELY, "completed")
        case Outcome.FAILED if output_seen:
            return Bill(Billing.UNKNOWN, "failed_after_output")
        case _ if output_seen:
            return Bill(Billing.LIKELY, "interrupted")
        case _:
            return Bill(Billing.UNKNOWN, "no_output")
