"""Formats: the API dialects. Bodies become Calls, Responses and streams of text, and back.

What the rest of the data plane uses, all of it from `table`, `dialect` and `errors`:

    table.find(method, path) -> Endpoint | Reject            404 and 405; the query is ignored
    table.acceptable(content_type, content_encoding) -> Reject | None                   415
    table.forwarded(format, name, value) -> bool     client headers that go to the provider
    table.caller_shape(method, path, headers) -> Format      whose errors the caller reads
    table.models_list(shape, models) -> bytes;  table.model_entry(shape, model) -> bytes
    table.DIALECTS[format] -> Dialect
        .decode_request(body, line) -> Call | Reject
        .encode_request(call, ask_usage) -> bytes            unchanged: the original bytes
        .decode_response(body) -> Response | Reject          texts to inspect, usage, encode()
        .measure(body) -> Measured                           usage alone, where no guard reads
        .stream(call, open_field | None, count) -> StreamCodec
        .error(reject, request_id) -> bytes                  a body in the caller's shape
        .stream_error(reject, request_id) -> bytes           ends a stream nothing was read of
        .provider_error(status, body) -> Response            what may be passed on of an error

A StreamCodec: `feed(data)` and `end()` return what may go to the client; after each, if `blocked`
or `failed` is set, send `abort(reject, request_id)` and close. `usage`, `usage_invalid`, `model`
and `output_tokens` (counted by `count`, for streams without usage) may be read at any time, also
after a client went away.

Guarantees. What a guard does not change goes out as it came, numbers in their own spelling.
Whatever the tables do not know is text. A changed text inside JSON leaves JSON.
"""
