"""The models become CustomResourceDefinitions: `python -m crds.schema` writes the YAML beside them.

Pydantic says what a field is; this module says it again within Kubernetes' structural rules: no
references, no nulls, list types, CEL for the `RULES`. The chart dragoman-crds gets the same, kept
when its release goes. `--check` only tells whether files are stale.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from crds import status
from crds.aibackend import AIBackendSpec
from crds.aipolicy import AIPolicySpec
from crds.airoute import AIRouteSpec
from crds.explain import models_in
from crds.meta import GROUP, VERSION, Model, UniqueNames, UniqueValues

Schema = dict[str, Any]

HEADER = "# Generated from the models in crds/*.py by `make crds`; edit those.\n"
CHART = "helm/dragoman-crds/templates"
_KEYS = ("type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems")


class Column(NamedTuple):
    """A column of `kubectl get`; with a priority, of `kubectl get -o wide`."""

    name: str
    path: str
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a CustomResourceDefinition says beside the schema."""

    model: type[Model]
    kind: str
    plural: str
    short: str
    columns: tuple[Column, ...]
    labels: Mapping[str, str]


_READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
_REASON = Column("Reason", '.status.conditions[?(@.type=="Ready")].reason')
_AGE = Column("Age", ".metadata.creationTimestamp")
_FIRST = "API servers show the first of several."
DEFINITIONS = (
    Definition(
        AIRouteSpec,
        "AIRoute",
        "airoutes",
        "air",
        (
            Column("Hostnames", ".spec.hostnames"),
            _READY,
            _REASON,
            Column("First Model", ".spec.rules[*].matches[*].model.value", 1, _FIRST),
            Column("First Backend", ".spec.rules[*].backendRefs[*].name", 1, _FIRST),
            _AGE,
        ),
        {},
    ),
    Definition(
        AIPolicySpec,
        "AIPolicy",
        "aipolicies",
        "aip",
        (Column("Mode", ".spec.mode"), _READY, _REASON, _AGE),
        {"gateway.networking.k8s.io/policy": "Inherited"},
    ),
    Definition(
        AIBackendSpec,
        "AIBackend",
        "aibackends",
        "aib",
        (
            Column("Provider", ".spec.provider"),
            Column("Endpoint", ".spec.endpoint.hostname"),
            Column("Service", ".spec.endpoint.serviceRef.name"),
            _READY,
            _REASON._replace(priority=1),
            _AGE,
        ),
        {},
    ),
)


def files() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    folder = Path(__file__).parent
    made: dict[Path, str] = {}
    for each in DEFINITIONS:
        name = f"{GROUP}_{each.plural}.yaml"
        made[folder / name] = _text(definition(each))
        made[folder.parent / CHART / name] = _text(_kept(definition(each)))
    return made


def _text(written: Schema) -> str:
    text = HEADER + yaml.dump(written, Dumper=_Dumper, sort_keys=False, width=100)
    if "{{" in text:
        raise ValueError("Helm would read '{{' in a description or a rule as a template")
    return text


def _kept(written: Schema) -> Schema:
    """The same for Helm: uninstalling a release must not delete everybody's objects."""
    metadata = {**written["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}
    return {**written, "metadata": metadata}


def definition(each: Definition) -> Schema:
    """The CustomResourceDefinition of one kind."""
    name = f"{each.plural}.{GROUP}"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, **({"labels": dict(each.labels)} if each.labels else {})},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": each.kind,
                "listKind": f"{each.kind}List",
                "plural": each.plural,
                "singular": each.kind.lower(),
                "shortNames": [each.short],
                "categories": ["ai"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in each.columns],
                    "schema": {"openAPIV3Schema": _root(each)},
                }
            ],
        },
    }


def _column(column: Column) -> Schema:
    return {
        "name": column.name,
        "type": "date" if column.name == "Age" else "string",
        "jsonPath": column.path,
        **({"priority": column.priority} if column.priority else {}),
        **({"description": column.description} if column.description else {}),
    }


def _root(each: Definition) -> Schema:
    return {
        "type": "object",
        "description": _flat(each.model.__doc__ or ""),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "The version of this schema."},
            "kind": {"type": "string", "description": "The kind of the object."},
            "metadata": {"type": "object"},
            "spec": spec(each.model),
            "status": status.schema(each.kind),
        },
    }


def spec(model: type[Model]) -> Schema:
    """The structural schema of a model."""
    written = model.model_json_schema(by_alias=True)
    return _Structural(written.get("$defs", {})).model(model, written)


class _Structural:
    """Translates what pydantic wrote about a model; `definitions` are its parts by name."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.definitions = definitions

    def model(self, model: type[Model], written: Schema) -> Schema:
        properties = {
            field.alias or name: self.field(model, name, written["properties"][field.alias or name])
            for name, field in model.model_fields.items()
        }
        made: Schema = {"type": "object", "description": _flat(model.__doc__ or "")}
        if "required" in written:
            made["required"] = written["required"]
        made["properties"] = properties
        if model.RULES:
            made["x-kubernetes-validations"] = [
                {
                    "rule": rule.cel,
                    "message": rule.message,
                    **({"fieldPath": f".{rule.field}"} if rule.field else {}),
                }
                for rule in model.RULES
            ]
        return made

    def field(self, model: type[Model], name: str, written: Schema) -> Schema:
        field = model.model_fields[name]
        inner = next((m for m in models_in(field.annotation) if issubclass(m, Model)), None)
        made = self.value(written, inner)
        if field.description:
            made["description"] = _flat(field.description)
        if made["type"] == "array":
            made |= _list_type(field.metadata)
        default = field.get_default(call_default_factory=True, validated_data={})
        if not field.is_required() and default not in (None, ()):
            made["default"] = (
                default.model_dump(exclude_defaults=True) if isinstance(default, Model) else default
            )
        return made

    def value(self, written: Schema, inner: type[Model] | None) -> Schema:
        if "anyOf" in written:
            written = next(each for each in written["anyOf"] if each.get("type") != "null")
        if "$ref" in written:
            if inner is None:
                raise TypeError(f"{written['$ref']} is not one of our models")
            return self.model(inner, self.definitions[written["$ref"].rpartition("/")[2]])
        made: Schema = {key: written[key] for key in _KEYS if key in written}
        if "const" in written:
            made["enum"] = [written["const"]]
        if made["type"] == "integer":
            made["format"] = "int32"
        if made["type"] == "array":
            made |= {
                "maxItems": written["maxItems"],
                "items": self.value(written["items"], inner),
            }
        return made


def _list_type(metadata: list[Any]) -> Schema:
    if UniqueNames in metadata:
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    return {"x-kubernetes-list-type": "set" if UniqueValues in metadata else "atomic"}


def _flat(text: str) -> str:
    return " ".join(text.split())


class _Dumper(yaml.SafeDumper):
    """Writes equal parts out in full: CRDs know no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the signature is the library's
        return True


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` say which are stale."""
    stale = [
        path for path, text in files().items() if not path.exists() or path.read_text() != text
    ]
    if "--check" in arguments:
        names = ", ".join(path.name for path in stale)
        sys.stderr.write(f"stale: {names}; run `make crds`\n" if stale else "")
        return 1 if stale else 0
    for path in stale:
        path.write_text(files()[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
