"""What the wire APIs say: one module an API, bytes to answers. Pure."""
