"""Response bodies to events, split anywhere. Pure; both sides need it."""
