"""Generic: what cannot be asked for where requests are passed on unread."""

from crds.meta import Rule

GENERIC_RULES: tuple[Rule, ...] = (
    Rule(
        "!has(self.format) || !has(self.matches)"
        " || !self.matches.exists(m, has(m.model) || (has(m.labels) && size(m.labels) > 0))",
        "format Generic matches by path and headers: its requests are not read",
        lambda self: self.format is None or not any(m.model or m.labels for m in self.matches),
        "matches",
    ),
    Rule(
        "!has(self.format) || (!self.backendRefs.exists(b, has(b.model) || has(b.promptRef))"
        " && (!has(self.mirrors) || size(self.mirrors) == 0))",
        "format Generic names no model, adds no prompt and copies nothing: its requests are not"
        " read",
        lambda self: (
            self.format is None
            or (not any(b.model or b.prompt_ref for b in self.backend_refs) and not self.mirrors)
        ),
        "backendRefs",
    ),
    Rule(
        "!has(self.format) || (self.selection != 'LowestCost'"
        " && (!has(self.stickiness) || self.stickiness.by in ['Header', 'Cookie']))",
        "with format Generic nobody reads the body, so selection LowestCost is not possible, and"
        " stickiness only by Header or Cookie",
        lambda self: (
            self.format is None
            or (
                self.selection != "LowestCost"
                and (self.stickiness is None or self.stickiness.by in ("Header", "Cookie"))
            )
        ),
        "format",
    ),
    Rule(
        "!has(self.format) || !has(self.timeouts) || !has(self.timeouts.firstByte)",
        "firstByte belongs to streams of models; with format Generic use attempt",
        lambda self: self.format is None or self.timeouts.first_byte is None,
        "timeouts",
    ),
)
"""Of a rule of an AIRoute."""
HTTP_RULES: tuple[Rule, ...] = (
    Rule(
        "!has(self.http) || self.provider == 'HTTP'",
        "http belongs to provider HTTP",
        lambda self: self.http is None or self.provider == "HTTP",
        "http",
    ),
    Rule(
        "self.provider != 'HTTP' || !has(self.endpoint) || !has(self.endpoint.inferencePoolRef)",
        "inferencePoolRef belongs to providers of models: a picker reads what provider HTTP"
        " passes on unread",
        lambda self: (
            self.provider != "HTTP"
            or self.endpoint is None
            or self.endpoint.inference_pool_ref is None
        ),
        "endpoint",
    ),
    Rule(
        "self.provider != 'HTTP' || !has(self.models) || size(self.models) == 0",
        "models belongs to providers whose models are asked for by name, not to HTTP",
        lambda self: self.provider != "HTTP" or not self.models,
        "models",
    ),
)
"""Of an AIBackend."""
