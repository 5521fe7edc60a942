"""`dragoman render` says with how it ends whether the YAML is sound, and prints what it can."""

import pytest

from dragoman import render
from tests.explain.test_explain import EXAMPLES, STICKY

BROKEN = """
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: broken}
spec: {parentRefs: [{name: ai}], rules: [{name: x, backendRefs: []}]}
"""
UNRESOLVED = STICKY.replace("{name: openai, model: b, priority: 1}", "{name: gone}")


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (STICKY, 0, ""),
        (STICKY + BROKEN, 1, "AIRoute default/broken: taken out until this is mended"),
        (UNRESOLVED, 1, "AIBackend default/gone does not exist"),
    ],
)
def test_problems_are_told_and_the_rest_is_printed(tmp_path, capsys, text, code, told) -> None:
    (tmp_path / "all.yaml").write_text(text)
    assert render.main([str(tmp_path)]) == code
    printed = capsys.readouterr()
    assert told in printed.err
    assert bool(printed.err) == bool(code)
    assert "default/openai/a" in printed.out


def test_what_cannot_be_read_at_all_prints_nothing(tmp_path, capsys) -> None:
    (tmp_path / "all.yaml").write_text("a: [")
    assert render.main([str(tmp_path)]) == 2
    assert capsys.readouterr().out == ""


def test_an_example_is_sound(capsys) -> None:
    assert render.main([str(EXAMPLES / "05-canary")]) == 0
    assert capsys.readouterr().err == ""
