"""Hand-built configurations for the tests of this folder."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller import ir
from crds.gateway import SecretValue
from crds.meta import Key
from crds.plan import RoutePlan, RulePlan, TargetPlan, VirtualHostPlan

GATEWAY = Key("Gateway", "default", "ai")


def backend(name):
    return Key("AIBackend", "default", name)


def target(name, port, *, host="127.0.0.1", key=True, tls=None, body=1024 * 1024):
    return ir.Target(
        name=f"default/{name}/*",
        backend=backend(name),
        provider="OpenAICompatible",
        host=host,
        port=port,
        endpoints=None,
        tls=tls,
        credential=ir.Credential(f"key/default/{name}", "authorization", "Bearer ")
        if key
        else None,
        model=None,
        formats=("OpenAIChat",),
        headers=(("x-default", name),),
        max_body_bytes=body,
    )


def key(name, value=None):
    return ir.GenericSecret(
        f"key/default/{name}", SecretValue((value or f"sk-{name}").encode()), backend(name)
    )


def traffic(*, translate=False, stream=False, attempt=None, retries=1, idle=None, request=None):
    return ir.TrafficClass(stream, translate, request, attempt, idle, retries)


CALL = traffic()


def host(domain="*", classes=(CALL,), body=1024 * 1024, section="http"):
    return ir.VirtualHost(f"default/ai/{section}/{domain}", domain, body, tuple(classes))


def listener(port, *hosts, hostname=None, name="http", certificates=()):
    return ir.Listener(
        GATEWAY,
        name,
        port,
        "HTTPS" if certificates else "HTTP",
        hostname,
        tuple(certificates),
        hosts or (host(hostname or "*"),),
    )


def route_plan(name="r", *targets, traffic_class=CALL):
    return RoutePlan(
        name=f"default/{name}",
        rules=(
            RulePlan(
                name="all",
                targets=tuple(
                    TargetPlan(
                        cluster=each.name,
                        backend=f"default/{each.backend.name}",
                        provider=each.provider,
                        model=each.model,
                        weight=1,
                        priority=0,
                    )
                    for each in targets
                ),
                unary_class=traffic_class.name,
                stream_class=traffic_class.name,
                translate=traffic_class.translate,
            ),
        ),
    )


def config(listeners, targets, secrets=None, routes=None):
    secrets = (
        tuple(key(t.backend.name) for t in targets if t.credential) if secrets is None else secrets
    )
    routes = (route_plan("r", *targets),) if routes is None else routes
    return ir.Config(
        listeners=tuple(listeners),
        targets=tuple(targets),
        secrets=tuple(secrets),
        virtual_host_plans=tuple(
            VirtualHostPlan(
                name=h.name,
                gateway="default/ai",
                listener=each.name,
                routes=tuple(r.name for r in routes),
            )
            for each in listeners
            for h in each.virtual_hosts
        ),
        route_plans=tuple(routes),
        uses={each.name: tuple(t.name for t in targets) for each in routes},
    )


def certificate(name, issued_to):
    """A self-signed certificate, which is thereby its own authority."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issued_to)])
    now = datetime.now(UTC)
    alternative = (
        x509.IPAddress(ip_address(issued_to)) if issued_to[0].isdigit() else x509.DNSName(issued_to)
    )
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    key_pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = signed.public_bytes(serialization.Encoding.PEM)
    return ir.CertificateSecret(name, chain, SecretValue(key_pem), GATEWAY)
