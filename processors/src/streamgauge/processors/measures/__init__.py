"""Usage, tokens, timing and cost of a stream. Pure."""
