"""Credentials: how an AIBackend proves itself, from its Secret or from what was asked for with it.

One whose Secret cannot be used, or for which there is no token, says why and is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller import ir, keys, names
from controller.keys import Missing
from controller.resources import Object, Resources, SessionKey, Unminted
from controller.translate import pem
from controller.translate.conditions import Fault, Reason
from controller.translate.providers import BEARER, Provider
from crds.aibackend import AIBackendSpec
from crds.auth import Auth, CACertificateRef
from crds.gateway import SecretValue
from crds.meta import Key

SIGNED_SERVICE = "bedrock"


@dataclass(frozen=True, slots=True)
class Proof:
    """How requests are proven: by a header, by a signature, or not at all."""

    credential: ir.Credential | None = None
    signing: ir.Signing | None = None
    secret: ir.GenericSecret | None = None
    """Where the header's value comes from."""


def wrong(backend: Object[AIBackendSpec], resources: Resources) -> Iterator[Fault]:
    """What keeps an AIBackend from proving itself."""
    auth = backend.spec.auth
    faults = [*_wrong_secret(backend.key, auth, resources)]
    if auth.oauth2 is not None:
        field = "spec.auth.oauth2.caCertificateRefs"
        faults += wrong_authorities(backend.key, auth.oauth2.ca_certificate_refs, field, resources)
    yield from faults
    if not faults and keys.asked_for(auth):
        yield from _wrong_token(backend.key, resources)


def _wrong_secret(backend: Key, auth: Auth, resources: Resources) -> Iterator[Fault]:
    if auth.secret_ref is None:
        return
    secret = Key("Secret", backend.namespace, auth.secret_ref.name)
    content = resources.secrets.get(secret)
    field = "spec.auth.secretRef"
    if content is None:
        text = _absent(secret, auth, resources)
        yield Fault(backend, "ResolvedRefs", "SecretNotFound", f"{field}.name", text)
        return
    field = f"{field}.key" if auth.type == "APIKey" else field
    problem = keys.wrong(auth, content)
    if isinstance(problem, Missing):
        mend = "add it or name another" if auth.type == "APIKey" else "add it"
        text = f"{secret} has no key {problem.key}; {mend}"
        yield Fault(backend, "ResolvedRefs", "InvalidKeyFormat", field, text)
    elif problem is not None:
        text = f"the value of {problem.key} in {secret} {problem.text}"
        yield Fault(backend, "ResolvedRefs", "InvalidKeyFormat", field, text)


def _absent(secret: Key, auth: Auth, resources: Resources) -> str:
    if any(broken.key == secret for broken in resources.broken):
        return f"{secret} is there but cannot be read; the line about it says why"
    needed = keys.needed(auth)
    listed = " and ".join((", ".join(needed)).rsplit(", ", 1))
    return f"{secret} does not exist; create it with the key{'s'[len(needed) < 2 :]} {listed}"


def wrong_authorities(
    backend: Key, refs: tuple[CACertificateRef, ...], field: str, resources: Resources
) -> Iterator[Fault]:
    """What is wrong with private certificate authorities; `field` is where they stand."""
    for index, ref in enumerate(refs):
        reason, text = _wrong_bundle(Key("ConfigMap", backend.namespace, ref.name), resources)
        if reason is not None:
            yield Fault(backend, "ResolvedRefs", reason, f"{field}[{index}]", text)


def _wrong_bundle(key: Key, resources: Resources) -> tuple[Reason | None, str]:
    content = resources.config_maps.get(key)
    if content is None:
        return "ConfigMapNotFound", f"{key} does not exist; create it with the key ca.crt"
    if "ca.crt" not in content:
        return "InvalidCertificate", f"{key} needs the key ca.crt"
    if problem := pem.wrong_authorities(content["ca.crt"].encode()):
        return "InvalidCertificate", f"ca.crt of {key} {problem}"
    return None, ""


def _wrong_token(backend: Key, resources: Resources) -> Iterator[Fault]:
    match resources.tokens.get(backend):
        case None:
            text = "the token endpoint has not answered yet"
            yield Fault(backend, "ResolvedRefs", "TokenNotMinted", "spec.auth", text)
        case Unminted(message):
            yield Fault(backend, "ResolvedRefs", "TokenNotMinted", "spec.auth", message)


def proof(key: Key, spec: AIBackendSpec, provider: Provider, resources: Resources) -> Proof:
    """How an AIBackend proves itself; nothing is wrong with it."""
    auth = spec.auth
    ref = auth.secret_ref
    content = resources.secrets[Key("Secret", key.namespace, ref.name)] if ref else {}
    token = resources.tokens.get(key)
    if auth.type == "AWS" and spec.aws is not None:
        lent = token if isinstance(token, SessionKey) else None
        return Proof(signing=_signing(spec.aws.region, content, lent))
    if keys.asked_for(auth) and isinstance(token, SecretValue):
        return _header(ir.GenericSecret(names.token(key), token, key), BEARER)
    if auth.type == "APIKey" and ref is not None:
        return _header(ir.GenericSecret(names.api_key(key), content[ref.key], key), provider.key)
    return Proof()


def _header(secret: ir.GenericSecret, key: tuple[str, str]) -> Proof:
    return Proof(ir.Credential(secret.name, *key), secret=secret)


def _signing(
    region: str, content: Mapping[str, SecretValue], lent: SessionKey | None
) -> ir.Signing:
    if lent is not None:
        key = ir.AccessKey(lent.key_id, lent.secret, lent.session_token)
        return ir.Signing(SIGNED_SERVICE, region, key)
    keyed = content and ir.AccessKey(
        content["accessKeyID"], content["secretAccessKey"], content.get("sessionToken")
    )
    return ir.Signing(SIGNED_SERVICE, region, keyed or None)
