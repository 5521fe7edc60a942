"""Prompts: how long they may be, and that one that is too long is never written out."""

import tracemalloc

import pytest

from controller.translate import prompts
from crds.meta import Key
from crds.plan import PromptPlan
from crds.prompt import PromptRef

MAP = Key("ConfigMap", "infra", "p")
TOO_LONG = "UnsupportedValue", "key", f"prompt of {MAP} is longer than {prompts.LONGEST} bytes"


def plan(template: str, **variables: str):
    named = [{"name": name, "value": value} for name, value in variables.items()]
    ref = PromptRef.model_validate({"name": "p", "variables": named})
    return prompts.plan(ref, "infra", {MAP: {"prompt": template}})


@pytest.mark.parametrize("extra", [0, 1])
def test_the_limit_is_of_what_is_sent(extra) -> None:
    value = "v" * 4096
    template = "${a}" * 7 + "é" * 2047 + ".." + "." * extra
    found = plan(template, a=value)
    if extra:
        assert found == TOO_LONG
    else:
        assert isinstance(found, PromptPlan)
        assert len(found.text.encode()) == prompts.LONGEST


def test_a_text_that_would_grow_without_bounds_is_refused_unwritten() -> None:
    tracemalloc.start()
    try:
        assert plan("${a}" * 8000, a="v" * 4096) == TOO_LONG
        assert plan("${a}" * 250_000, a="v" * 4096) == TOO_LONG
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()
