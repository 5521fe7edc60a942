"""A stand-in LLM provider for demos and tests: it speaks as OpenAI, Anthropic, Google, AWS do.

It fails on request, and is no model: `echo` gives back the last user text, every other name a
fixed sentence, and usage counts words. `server` is the connection loop, `wire` reads HTTP/1.1,
`chat`, `messages`, `contents`, `converse`, ... are the endpoints, `saying` what a model
says, `faults` the table of ways to misbehave, `delivery` the bytes. Nothing of the gateway is used
here, so that tests of the gateway are judged by code it does not share.
"""

from dragoman.mock_provider.command import main
from dragoman.mock_provider.faults import FAULTS
from dragoman.mock_provider.server import serve
from dragoman.mock_provider.wire import Received

__all__ = ["FAULTS", "Received", "main", "serve"]
