"""What one controller leaves to the next: read back as it was, and never in the way."""

import logging

import pytest

from controller.kept import Kept
from controller.sources import files
from controller.sources.past import Past
from controller.translate import NOTHING_ACCEPTED, translate
from controller.translate.policies import Accepted
from controller.xds.cache import Live
from crds.meta import Key
from tests.reconcile.test_reconcile import BACKEND, GATEWAY, ROUTE, Loop

POLICY = """\
apiVersion: dragoman.dev/v1alpha1
kind: AIPolicy
metadata: {name: baseline}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: ai}]
  request:
    maxBodySize: 1Mi
    unscanned: Block
    guards:
    - {name: words, type: Keywords, words: [Falcon], action: Block}
    - {name: pii, type: PII, entities: [Email], action: Redact, scope: [User]}
    - {name: injection, type: PromptInjection, threshold: "0.7", action: Audit}
"""
BROKEN = POLICY.replace("type: PII", "type: PIII")


def accepted(directory) -> Accepted:
    resources = files.read(directory, {}).resources
    return translate(resources, NOTHING_ACCEPTED).accepted


@pytest.fixture
def source(tmp_path):
    loop = Loop(tmp_path)
    loop.write(gateway=GATEWAY, backend=BACKEND, route=ROUTE.replace("NAME", "one"), policy=POLICY)
    return loop


def test_policies_come_back_as_they_were(source, tmp_path):
    first = accepted(tmp_path)
    assert len(first.policies) == 1
    Kept(tmp_path).keep_accepted(first)
    assert Kept(tmp_path).accepted() == first


def test_no_policy_and_never_live_are_told_apart(tmp_path):
    assert Kept(tmp_path).accepted() is None
    Kept(tmp_path).keep_accepted(NOTHING_ACCEPTED)
    assert Kept(tmp_path).accepted() == NOTHING_ACCEPTED


def test_texts_come_back_byte_by_byte(tmp_path):
    past = Past(
        {"a.yaml": "é\r\n".encode(), "b.yaml": b"\xff\x00"},
        {Key("AIBackend", "default", "b"): ("b.yaml", b"\xfe")},
    )
    assert Kept(tmp_path).past() == Past()
    Kept(tmp_path).keep_past(past)
    assert Kept(tmp_path).past() == past
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_what_cannot_be_written_is_a_warning_only(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        Kept(tmp_path / "missing").keep_past(Past())
    [line] = caplog.messages
    assert "not kept for a restart" in line


async def test_a_broken_policy_keeps_its_last_accepted_version_after_a_restart(source, tmp_path):
    await source.read()
    source.reconciler.happened(Live(source.published[-1].version))
    source.write(policy=BROKEN)
    again = Loop(tmp_path)
    await again.read()
    assert again.published[-1].version == source.published[-1].version
    assert any("AIPolicy default/baseline: spec.request" in line for line in again.lines())


async def test_what_was_never_live_is_not_accepted(source, tmp_path):
    await source.read()
    source.write(policy=BROKEN)
    again = Loop(tmp_path)
    await again.read()
    assert again.published[-1].version != source.published[-1].version


async def test_after_a_restart_a_missing_gateway_is_no_end(source, tmp_path):
    await source.read()
    source.reconciler.happened(Live(source.published[-1].version))
    (tmp_path / "gateway.yaml").unlink()
    again = Loop(tmp_path)
    await again.read()
    assert again.failed == []
    assert len(again.published) == 1
