"""Authorization: which of a rule's targets may serve a request, by the labels it carries.

Every binding that applies narrows the choice, so that none can be undone by another. If nobody is
left the request is refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crds.plan import BindingPlan, TargetPlan
from ext_proc.call import Reject, Verdict

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Permitted:
    """The targets that may serve, or why none may."""

    targets: tuple[TargetPlan, ...]
    verdicts: tuple[Verdict, ...] = ()
    reject: Reject | None = None


def applying(bindings: Iterable[BindingPlan], labels: Labels) -> Iterator[BindingPlan]:
    """The bindings that speak of a request with these labels."""
    return (binding for binding in bindings if labels.issuperset(binding.labels))


def permit(
    targets: Sequence[TargetPlan], bindings: Iterable[BindingPlan], labels: Labels
) -> Permitted:
    """Leave out what may not serve. A rule without targets is not refused here."""
    refusing = [
        (binding, refused)
        for binding in applying(bindings, labels)
        if (refused := [each for each in targets if each.backend not in binding.backends])
    ]
    out = [each for binding, refused in refusing if binding.enforced for each in refused]
    left = tuple(each for each in targets if each not in out)
    verdicts = tuple(
        _verdict(binding, refused)
        for binding, refused in refusing
        if not left or not binding.enforced
    )
    if left or not targets:
        return Permitted(left, verdicts)
    names = ", ".join(binding.name for binding, _ in refusing if binding.enforced)
    text = f"The request was blocked by authorization {names}: no backend of this model may serve."
    return Permitted((), verdicts, Reject(403, "blocked_by_policy", text))


def _verdict(binding: BindingPlan, refused: Iterable[TargetPlan]) -> Verdict:
    """What a binding said: the AIBackends that it left out, or would have."""
    return Verdict(
        guard=binding.name,
        policy=binding.policy,
        type="Authorization",
        action="Block" if binding.enforced else "Audit",
        phase="request",
        found=tuple((backend, 1) for backend in sorted({each.backend for each in refused})),
    )
