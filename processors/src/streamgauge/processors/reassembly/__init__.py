"""Frames in, finished streams out. Pure: no I/O, no clock, no asyncio, no logging."""
