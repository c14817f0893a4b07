"""The demo: official SDKs, misbehaving providers, a broker and a worker, all on this machine.

simulator ◀──HTTP── SDKs, tapped by a gauge ──frames──▶ embedded broker ──▶ worker ──records──▶ judge
    │                                                                                             ▲
    └──────────────────── its own truth: what was said, how it ended ─────────────────────────────┘
"""
