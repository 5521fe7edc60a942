"""Tokens: short-lived credentials that are asked for on behalf of AIBackends and renewed in time.

`asking` says what to ask whom, `grants` words it and reads the answer, `renewal` when to ask again;
all pure. `minter` is the one loop that asks; `endpoint` the way to a token endpoint.
"""
