"""Every cell: what one client asks reaches each provider, and each answer reaches the client.

A cell that `cannot` is proved as well: what the target is not told is refused or named.
"""

from dataclasses import replace

import pytest

from ext_proc.call import Reject
from ext_proc.translation.neutral import Failed, TextPiece
from tests.translation.matrix import cells
from tests.translation.matrix.cannot import CANNOT, Cannot
from tests.translation.matrix.cells import BY_FORMAT, FORMATS, ROWS
from tests.translation.matrix.features import ANSWERS, FEATURES, REQUESTS
from tests.translation.matrix.judges import JUDGES

PROVIDERS = (*ROWS, *cells.APIS)
CLIENTS = tuple(FORMATS)
ASKED = [name for feature in FEATURES.values() for name in feature.requests]


def cannot(client, provider, name):
    """Why this request or answer is no part of the cell; None: it is."""
    return CANNOT.get((client, name)) or CANNOT.get((provider, name))


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_requests(client, provider, name):
    """The provider's SDK would have sent this; its own reader finds in it what was asked."""
    document = FORMATS[client].requests.get(name)
    speaks = cells.wired(provider, client)
    if document is None:
        assert isinstance(CANNOT[client, name], Cannot)
        return
    sent = cells.send(client, provider, document, stream=REQUESTS[name].stream)
    reason = cannot(client, speaks, name)
    if reason is not None and client != speaks:
        assert_told(sent, reason)
        return
    assert not isinstance(sent, Reject), sent
    quirks = cells.row(provider).quirks
    usual = cells.unquirked(sent.document, quirks, FORMATS[speaks].model)
    JUDGES[speaks].request(usual, REQUESTS[name].stream and "stream" in usual)
    assert_same(cells.read(speaks, usual, name), client, speaks, name)
    if cells.expected(speaks, name) != cells.expected(client, name) and client != speaks:
        assert sent.dropped or cells.expected(client, name) != REQUESTS[name]


def assert_told(sent, reason):
    """What cannot be said is refused or reported by its name in the caller's document."""
    if isinstance(sent, Reject):
        assert (sent.code, reason.refused) == ("untranslatable", True)
    else:
        assert not reason.refused
        assert sent.dropped


def assert_same(got, client, speaks, name):
    wanted = cells.expected(client, name)
    if client != speaks:
        wanted = replace(wanted, **cells.UNSAID.get(speaks, {}))
    assert got == wanted


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("provider", BY_FORMAT)
@pytest.mark.parametrize("client", CLIENTS)
def test_answers(client, provider, name):
    """The client's SDK takes the answer, and its own reader finds in it what the provider said."""
    document, usage = cells.answer(provider, client, FORMATS[provider].answers[name])
    JUDGES[client].answer(document)
    assert cells.whole(client, document) == cells.stated(client, provider, ANSWERS[name])
    assert usage == cells.stated(provider, provider, ANSWERS[name]).usage


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("provider", BY_FORMAT)
@pytest.mark.parametrize("client", CLIENTS)
def test_streams(client, provider, name):
    """As for whole answers, event by event."""
    raw, usage = cells.stream(provider, client, [FORMATS[provider].streams[name]])
    JUDGES[client].stream(raw)
    wanted = cells.coarse(client, provider, ANSWERS[name])
    assert cells.streamed(client, raw) == cells.stated(client, provider, wanted)
    assert usage == cells.stated(provider, provider, ANSWERS[name]).usage


@pytest.mark.parametrize("name", ["tools", "parallel tools", "reasoning"])
@pytest.mark.parametrize("provider", BY_FORMAT)
@pytest.mark.parametrize("client", CLIENTS)
def test_the_next_turn(client, provider, name):
    """What the provider said comes back to it as it was, with what proves it, and its calls' ids."""
    asked = FORMATS[client].requests[name]
    document, _ = cells.answer(provider, client, FORMATS[provider].answers[name])
    following = FORMATS[client].again(asked, document, "snow")
    JUDGES[client].request(following, False)
    sent = cells.send(client, BY_FORMAT[provider], following, stream=False)
    assert not isinstance(sent, Reject), sent
    JUDGES[provider].request(sent.document, False)
    native = FORMATS[provider]
    wanted = native.again(native.requests[name], native.answers[name], "snow")
    unproved = (client, provider, name) in UNPROVED
    assert cells.turns(provider, sent.document) == cells.turns(
        provider, cells.unsigned(wanted) if unproved else wanted
    )


UNPROVED = {("AnthropicMessages", "GeminiContent", "parallel tools")}
"""Anthropic's calls have no place for the signature of Gemini's: a Gemini that insists on one gets
what Google's guide to thought signatures names for such calls."""
STATUSES = (400, 404, 429, 500, 503)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("provider", BY_FORMAT)
@pytest.mark.parametrize("client", CLIENTS)
def test_errors(client, provider, status):
    """The client's SDK raises what it raises for such an error of its own provider."""
    theirs = cells.BUSY.get(provider, 503) if status == 503 else status
    seen, body = cells.failed(provider, client, theirs)
    own = cells.BUSY.get(client, 503) if status == 503 and theirs == 529 else status
    assert seen == own
    raised = JUDGES[client].error(seen, body)
    assert raised == JUDGES[client].error(own, FORMATS[client].errors.get(own, b"{}"))
    words = {400: b"Too many words.", 404: b"No such model.", 429: b"Slow down."}
    assert words.get(status, b"") in body


@pytest.mark.parametrize("provider", BY_FORMAT)
@pytest.mark.parametrize("client", CLIENTS)
def test_errors_within_a_stream(client, provider):
    """What was said before stands; then the stream ends with the client's own error."""
    raw, _ = cells.stream(provider, client, [FORMATS[provider].failing])
    JUDGES[client].stream(raw)
    *before, last = cells.heard(client, raw)
    assert "".join(each.text for each in before if isinstance(each, TextPiece)) == "Fine"
    assert isinstance(last, Failed)
    assert last.status >= 500


def test_mandatory_cells_have_no_reason():
    owed = {name for feature in FEATURES.values() if feature.mandatory for name in feature.requests}
    assert not [key for key in CANNOT if key[1] in owed]
