"""Gemini's generateContent, by the Gemini API reference, as google-genai sends it."""

import json
from typing import Any

from tests.translation.matrix.features import (
    ADDRESS,
    FUNCTION,
    LINK,
    PDF,
    PLANTED,
    PNG,
    SCHEMA,
    pieces,
)
from tests.translation.matrix.fixtures import Fixtures, Json, sse

MODEL = "gemini-2.5-flash"
SIGNATURE = "CsoBAXLI2nyyB0C+"
CAUGHT = {"name": FUNCTION[0], "description": FUNCTION[1], "parametersJsonSchema": FUNCTION[2]}


def user(*parts: Json) -> Json:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Json) -> Json:
    return {"role": "model", "parts": list(parts)}


def ask(*contents: Json, config: Json | None = None, **more: Any) -> Json:
    given = {"maxOutputTokens": 256, **(config or {})}
    return {"contents": list(contents), "generationConfig": given, **more}


def call(id_: str, city: str) -> Json:
    return {"functionCall": {"id": id_, "name": "weather", "args": {"city": city}}}


def result(id_: str, text: str) -> Json:
    return {"functionResponse": {"id": id_, "name": "weather", "response": {"output": text}}}


QUESTION = user({"text": "How are you?"})
TOOLS = [{"functionDeclarations": [CAUGHT]}]


def choice(mode: str) -> Json:
    return {"functionCallingConfig": {"mode": mode}}


REQUESTS = {
    "text": ask(
        QUESTION,
        model({"text": "Fine."}),
        user({"text": "And now?"}),
        config={"temperature": 0.5, "stopSequences": ["END"]},
    ),
    "stream": ask(QUESTION),
    "system": ask(QUESTION, systemInstruction=user({"text": "Be brief."})),
    "tools": ask(
        user({"text": "Weather in Paris?"}),
        model(call("call_1", "Paris")),
        user(result("call_1", "sunny")),
        tools=TOOLS,
        toolConfig=choice("AUTO"),
    ),
    "parallel tools": ask(
        user({"text": "Weather in Paris and Oslo?"}),
        model({"text": "Let me look."}, call("call_1", "Paris"), call("call_2", "Oslo")),
        user(result("call_1", "sunny"), result("call_2", "snow")),
        tools=TOOLS,
        toolConfig=choice("ANY"),
    ),
    "image": ask(
        user({"text": "What is it?"}, {"inlineData": {"mimeType": "image/png", "data": PNG}})
    ),
    "image link": ask(
        user({"text": "What is it?"}, {"fileData": {"mimeType": "image/png", "fileUri": LINK}})
    ),
    "file": ask(
        user({"text": "Sum it up."}, {"inlineData": {"mimeType": "application/pdf", "data": PDF}})
    ),
    "reasoning": ask(
        QUESTION,
        config={
            "maxOutputTokens": 50000,
            "thinkingConfig": {"thinkingBudget": 16000, "includeThoughts": True},
        },
    ),
    "structured": ask(
        QUESTION, config={"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    ),
}


def usage(given: int = 12, written: int = 4, cached: int = 0, thought: int = 0) -> Json:
    stated = {
        "promptTokenCount": given,
        "candidatesTokenCount": written - thought,
        "totalTokenCount": given + written,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": given}],
    }
    stated |= {"cachedContentTokenCount": cached} if cached else {}
    return stated | ({"thoughtsTokenCount": thought} if thought else {})


def answer(*parts: Json, finish: str | None = "STOP", used: Json | None = None) -> Json:
    candidate = {"content": model(*parts), "finishReason": finish, "index": 0}
    return {
        "candidates": [{k: v for k, v in candidate.items() if v is not None}],
        "usageMetadata": used or usage(),
        "modelVersion": MODEL,
        "responseId": "r3sp0nse",
    }


THOUGHTS = ({"text": "Hm. ", "thought": True}, {"text": "Well.", "thought": True})
BECAUSE = {"text": "Because.", "thoughtSignature": SIGNATURE}
ANSWERS = {
    "text": answer({"text": "Fine, thanks."}),
    "cut": answer({"text": "Fine, th"}, finish="MAX_TOKENS"),
    "tools": answer({"text": "Let me look."}, call("call_9", "Oslo")),
    "parallel tools": answer(
        {**call("call_8", "Paris"), "thoughtSignature": SIGNATURE}, call("call_9", "Oslo")
    ),
    "reasoning": answer(
        {"text": "Hm. Well.", "thought": True}, BECAUSE, used=usage(12, 30, thought=20)
    ),
    "structured": answer({"text": '{"city":"Paris"}'}),
    "usage": answer({"text": "Fine, thanks."}, used=usage(100, 4, cached=60)),
    "planted": answer({"text": PLANTED}, call("call_9", ADDRESS)),
}


def stream(*parts: Json, finish: str = "STOP", used: Json | None = None) -> bytes:
    used = used or usage()
    before = [answer(each, finish=None, used=used) for each in parts[:-1]]
    return sse(*before, answer(parts[-1], finish=finish, used=used))


STREAMS = {
    "text": stream({"text": "Fine"}, {"text": ", thanks."}),
    "cut": stream({"text": "Fine"}, {"text": ", th"}, finish="MAX_TOKENS"),
    "tools": stream({"text": "Let me "}, {"text": "look."}, call("call_9", "Oslo")),
    "parallel tools": stream(
        {**call("call_8", "Paris"), "thoughtSignature": SIGNATURE}, call("call_9", "Oslo")
    ),
    "reasoning": stream(*THOUGHTS, BECAUSE, used=usage(12, 30, thought=20)),
    "structured": stream({"text": '{"city":'}, {"text": '"Paris"}'}),
    "usage": stream({"text": "Fine, thanks."}, used=usage(100, 4, cached=60)),
    "planted": stream(*({"text": each} for each in pieces(PLANTED)), call("call_9", ADDRESS)),
}


def error(code: int, status: str, message: str) -> Json:
    return {"error": {"code": code, "message": message, "status": status}}


ERRORS = {
    400: error(400, "INVALID_ARGUMENT", "Too many words."),
    404: error(404, "NOT_FOUND", "No such model."),
    429: error(429, "RESOURCE_EXHAUSTED", "Slow down."),
    500: error(500, "INTERNAL", "It broke."),
    503: error(503, "UNAVAILABLE", "Overloaded."),
}


def again(request: Json, answer: Json, words: str) -> Json:
    """The content goes back as it came: `contents.append(response.candidates[0].content)`."""
    content = answer["candidates"][0]["content"]
    calls = [each["functionCall"]["id"] for each in content["parts"] if "functionCall" in each]
    told = [result(each, words) for each in calls] or [{"text": words}]
    return request | {"contents": [*request["contents"], content, user(*told)]}


FIXTURES = Fixtures(
    "GeminiContent",
    MODEL,
    REQUESTS,
    ANSWERS,
    STREAMS,
    {status: json.dumps(body).encode() for status, body in ERRORS.items()},
    sse(answer({"text": "Fine"}, finish=None), ERRORS[503]),
    again,
)
