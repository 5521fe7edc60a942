"""AIPolicy: what must hold for the requests and responses of a Gateway or an AIRoute."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.json_schemas import ConfigMapRef, RequestSchema, ResponseSchema
from crds.meta import (
    ENTITY,
    SCORE,
    Label,
    Model,
    Name,
    Quantity,
    RequestLabel,
    Rule,
    UniqueNames,
    UniqueValues,
)

Origin = Literal[
    "System",
    "User",
    "Assistant",
    "Reasoning",
    "ToolCalls",
    "ToolResults",
    "ToolDefinitions",
    "Other",
]


class TargetRef(Model):
    """A Gateway or an AIRoute in the AIPolicy's own namespace."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.group == (self.kind == 'Gateway' ? 'gateway.networking.k8s.io' : 'dragoman.dev')",
            "group is gateway.networking.k8s.io for kind Gateway and dragoman.dev for kind AIRoute",
            lambda self: (
                self.group
                == ("gateway.networking.k8s.io" if self.kind == "Gateway" else "dragoman.dev")
            ),
            "group",
        ),
    )

    group: Literal["gateway.networking.k8s.io", "dragoman.dev"]
    """The API group of the kind."""
    kind: Literal["Gateway", "AIRoute"]
    """What it is: a Gateway or an AIRoute."""
    name: Name
    """The object."""
    section_name: Name | None = None
    """A listener of the Gateway, or a rule of the AIRoute."""


class Guard(Model):
    """A detector and what happens when it finds something."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type == 'PII' || !has(self.entities) || size(self.entities) == 0",
            "entities belongs to type PII",
            lambda self: self.type == "PII" or not self.entities,
            "entities",
        ),
        Rule(
            "self.type != 'Keywords'"
            " || ((has(self.words) && size(self.words) > 0) != has(self.configMapRef))",
            "type Keywords needs exactly one of words and configMapRef",
            lambda self: (
                self.type != "Keywords" or bool(self.words) != (self.config_map_ref is not None)
            ),
        ),
        Rule(
            "self.type == 'Keywords'"
            " || ((!has(self.words) || size(self.words) == 0) && !has(self.configMapRef))",
            "words and configMapRef belong to type Keywords",
            lambda self: (
                self.type == "Keywords" or (not self.words and self.config_map_ref is None)
            ),
        ),
        Rule(
            "self.type != 'PromptInjection' || self.action != 'Redact'",
            "PromptInjection scores a whole text and cannot Redact; use Block or Audit",
            lambda self: self.type != "PromptInjection" or self.action != "Redact",
            "action",
        ),
        Rule(
            "self.type == 'PromptInjection' || !has(self.threshold)",
            "threshold belongs to type PromptInjection",
            lambda self: self.type == "PromptInjection" or self.threshold is None,
            "threshold",
        ),
        Rule(
            "(self.action == 'Label') == has(self.label)",
            "action Label needs label, and label belongs to it",
            lambda self: (self.action == "Label") == (self.label is not None),
            "label",
        ),
    )

    name: Label
    """Unique in its list; records and metrics refer to it."""
    type: Literal["PII", "Secrets", "PromptInjection", "Keywords"]
    """The detector."""
    action: Literal["Block", "Redact", "Label", "Audit"]
    """`Block` answers 403, `Redact` masks what was found, `Audit` only records it.

    `Label` marks the request, for rules that match on labels and for `authorization`.
    """
    label: RequestLabel | None = None
    """What action Label sets."""
    entities: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=ENTITY)], ...],
        Field(max_length=64),
        UniqueValues,
    ] = ()
    """Kinds of personal data; the detector's default set when left out."""
    words: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...],
        Field(max_length=1024),
    ] = ()
    """Words and phrases, in any case."""
    config_map_ref: ConfigMapRef | None = None
    """A ConfigMap's key with one word or phrase a line."""
    threshold: Annotated[str, StringConstraints(max_length=5, pattern=SCORE)] | None = None
    """The score from which the action is taken; 0.5 when left out."""
    scope: Annotated[tuple[Origin, ...], Field(max_length=8), UniqueValues] = ()
    """Which text is read; all of it when left out."""


class OutputLimit(Model):
    """How many tokens a request may let a model write."""

    limit: Annotated[int, Field(ge=1, le=10_000_000, strict=True)]
    """Tokens; a request that does not say how many it wants is sent with this."""
    action: Literal["Clamp", "Reject"] = "Clamp"
    """What becomes of a request that asks for more: it gets the limit, or 400."""


class RequestPolicy(Model):
    """What must hold for requests."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.maxBodySize) || has(self.unscanned) || has(self.maxPromptTokens)"
            " || has(self.maxOutputTokens) || has(self.untranslatable)"
            " || (has(self.guards) && size(self.guards) > 0)"
            " || (has(self.schemas) && size(self.schemas) > 0)",
            "request has no effect: set maxBodySize, maxPromptTokens, maxOutputTokens, unscanned,"
            " untranslatable, schemas or guards",
            lambda self: bool(
                self.max_body_size
                or self.unscanned
                or self.untranslatable
                or self.max_prompt_tokens
                or self.max_output_tokens
                or self.guards
                or self.schemas
            ),
        ),
    )

    max_body_size: Quantity | None = None
    """The largest body, such as `10Mi`; of several policies the smallest. 4Mi when none says."""
    max_prompt_tokens: Annotated[int, Field(ge=1, le=100_000_000, strict=True)] | None = None
    """Tokens of all text in the prompt, by our own count; more is 400. Of several the smallest."""
    max_output_tokens: OutputLimit | None = None
    """Tokens a request may let a model write; of several the smallest."""
    unscanned: Literal["Allow", "Block"] | None = None
    """What happens to content no detector can read: images, files, remote URLs.

    A call that asks for images or sound counts as such content, for no detector reads the answer.
    `Allow` when none says.
    """
    untranslatable: Literal["Drop", "Reject"] | None = None
    """What becomes of a parameter that a target of another format cannot be told.

    `Drop`, when none says: it is left out and named in `x-dragoman-dropped`. `Reject`: such a
    target is not asked, and if no other is left the answer is 400. Content is never dropped.
    """
    schemas: Annotated[tuple[RequestSchema, ...], Field(max_length=8), UniqueNames] = ()
    """What a request must look like, in its caller's own format; else it is 422."""
    guards: Annotated[tuple[Guard, ...], Field(max_length=32), UniqueNames] = ()
    """All of them read the original text; Block over Redact over Label over Audit."""


class ResponsePolicy(Model):
    """What must hold for responses."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.guards) && size(self.guards) > 0)"
            " || (has(self.schemas) && size(self.schemas) > 0)",
            "response has no effect: set schemas or guards",
            lambda self: bool(self.guards or self.schemas),
        ),
        Rule(
            "!has(self.guards) || !self.guards.exists(g, g.action == 'Label')",
            "Label belongs to request guards: a response has been routed already",
            lambda self: not any(guard.action == "Label" for guard in self.guards),
            "guards",
        ),
    )

    schemas: Annotated[tuple[ResponseSchema, ...], Field(max_length=8), UniqueNames] = ()
    """What a model's answer must be: JSON that fits each of them, else it is 502.

    Such an answer is judged whole, so a request for a stream is 400.
    """
    guards: Annotated[tuple[Guard, ...], Field(max_length=32), UniqueNames] = ()
    """As for requests; streams are redacted as they pass."""


class AuthorizedBackend(Model):
    """An AIBackend that may serve."""

    name: Name
    """The AIBackend."""
    namespace: Label | None = None
    """Defaults to the AIPolicy's own."""


class Authorization(Model):
    """Which AIBackends may serve the requests that carry some labels."""

    name: Label
    """Unique in its list; records refer to it."""
    labels: Annotated[tuple[RequestLabel, ...], Field(min_length=1, max_length=8), UniqueNames]
    """A request that carries all of these …"""
    backends: Annotated[tuple[AuthorizedBackend, ...], Field(min_length=1, max_length=32)]
    """… is served by none but these; several such rules leave what all of them allow."""


class AIPolicySpec(Model):
    """What must hold for the requests and responses of a Gateway or an AIRoute."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.request) || has(self.response)"
            " || (has(self.authorization) && size(self.authorization) > 0)",
            "the policy has no effect: set request, response or authorization",
            lambda self: bool(self.request or self.response or self.authorization),
        ),
        Rule(
            "!has(self.request) || !has(self.request.guards)"
            " || !self.request.guards.exists(g, g.action == 'Label')"
            " || !self.targetRefs.exists(t, t.kind == 'AIRoute')",
            "labels come from Gateway and listener guards only; target a Gateway, or use"
            " another action",
            lambda self: (
                self.request is None
                or not any(guard.action == "Label" for guard in self.request.guards)
                or not any(ref.kind == "AIRoute" for ref in self.target_refs)
            ),
            "request",
        ),
    )

    target_refs: Annotated[tuple[TargetRef, ...], Field(min_length=1, max_length=16)]
    """What the policy applies to."""
    mode: Literal["Enforce", "Audit"] = "Enforce"
    """`Audit` decides and records, and changes nothing."""
    request: RequestPolicy | None = None
    """What must hold for requests."""
    response: ResponsePolicy | None = None
    """What must hold for responses."""
    authorization: Annotated[tuple[Authorization, ...], Field(max_length=16), UniqueNames] = ()
    """Who may serve what; a request that nobody may serve is answered 403."""
