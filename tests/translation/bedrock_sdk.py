"""What boto3 itself sends and reads: the judge of what we write, and the author of what we read."""

import json
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import EventStreamError
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

_CLIENT = botocore.session.Session().create_client(
    "bedrock-runtime",
    region_name="us-east-1",
    aws_access_key_id="x",
    aws_secret_access_key="x",
    config=Config(parameter_validation=True),
)
_MODEL = _CLIENT.meta.service_model
_PARSER = create_parser("rest-json")


def request(**parameters: Any) -> dict[str, Any]:
    """The body that boto3 makes of a call; it checks names, types and what must be there."""
    operation = _MODEL.operation_model("Converse")
    parameters = {"modelId": "m", **parameters}
    sent = _CLIENT._convert_to_request_dict(parameters, operation, "https://localhost")
    return json.loads(sent["body"])


def accepts(document: dict[str, Any]) -> None:
    """Raise unless every field of a request's body is one that Bedrock knows, of its type."""
    shape = _MODEL.operation_model("Converse").input_shape
    report = ParamValidator().validate({"modelId": "m", **document}, shape)
    assert not report.has_errors(), report.generate_report()


def answer(body: bytes, status: int = 200) -> dict[str, Any]:
    """What boto3 returns for a body, or the error it would raise."""
    shape = _MODEL.operation_model("Converse").output_shape
    headers = {"content-type": "application/json"}
    response = {"status_code": status, "headers": headers, "body": body}
    return _PARSER.parse(response, shape)


def error_class(body: bytes, status: int) -> str:
    """The name of the exception that boto3 raises."""
    code = answer(body, status)["Error"]["Code"]
    return _CLIENT.exceptions.from_code(code).__name__


def events(stream: bytes) -> list[dict[str, Any]]:
    """What boto3 yields for a stream; an error of it is the last one."""
    shape = _MODEL.operation_model("ConverseStream").output_shape.members["stream"]
    parser = _PARSER._event_stream_parser
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    read = []
    for message in buffer:
        response = message.to_response_dict()
        parsed = parser.parse(response, shape)
        if response["status_code"] != 200:
            failed = EventStreamError(parsed, "ConverseStream").response["Error"]
            return [*read, {"error": failed}]
        read.append(parsed)
    return read
