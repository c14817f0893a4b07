"""The record: what is known of a finished stream, in the words of the contract."""

from streamgauge.processors.record.measures import Measures
from streamgauge.processors.record.write import PARSER_VERSION, write

__all__ = ["PARSER_VERSION", "Measures", "write"]
