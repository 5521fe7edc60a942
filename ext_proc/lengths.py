"""Lengths: how many tokens a prompt may have, and how many a model may write.

Every level's limits hold; the smallest counts.
"""

from collections.abc import Iterable

from ext_proc.call import Call, Reject
from ext_proc.formats import parameters
from ext_proc.pipeline import Level


def limit(call: Call, input_tokens: int, levels: Iterable[Level]) -> Reject | None:
    """Refuse a request that is too long or asks for too much; clamp what it may be given."""
    limits = tuple(levels)
    prompt = _smallest(level.max_prompt_tokens for level in limits)
    if prompt is not None and input_tokens > prompt:
        message = f"The prompt has {input_tokens} tokens; at most {prompt} are allowed."
        return Reject(400, "context_length_exceeded", message)
    output = _smallest(level.max_output_tokens for level in limits)
    return None if output is None else _limit_output(call, output, limits)


def _limit_output(call: Call, output: int, levels: Iterable[Level]) -> Reject | None:
    asked = parameters.output_tokens(call)
    if isinstance(asked, Reject):
        return asked
    refused = _smallest(level.refuse_output_above for level in levels)
    if asked is not None and refused is not None and asked > refused:
        message = f"The request asks for {asked} output tokens; at most {refused} are allowed."
        return Reject(400, "output_limit_exceeded", message)
    parameters.limit_output(call, output)
    return None


def _smallest(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
