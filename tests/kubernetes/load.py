"""Traffic that goes on while a test does something, and what became of every request."""

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.kubernetes.installed import eventually

PAUSE_S = 0.05
WORDS = " ".join(f"word-{number}" for number in range(20))
SLOW = "fault-slow-0.5+echo"
"""A model that needs ten seconds for WORDS as a stream."""


@dataclass(frozen=True)
class Call:
    """What is asked, and what must come back."""

    text: str = WORDS
    expected: str = WORDS
    model: str = "echo"
    stream: bool = False


STREAM = Call(model=SLOW, stream=True)


@dataclass
class Load:
    """What became of the requests, by the name of who sent them."""

    good: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    _threads: dict[str, threading.Thread] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(
        self,
        name: str,
        url: str,
        call: Callable[[], Call] = Call,
        *,
        keep: bool = False,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Ask again and again, on one connection while the server lets it be or on a new one each."""
        thread = threading.Thread(target=self._ask, args=(name, url, call, keep, until))
        self._threads[name] = thread
        thread.start()

    def go_on(self, answers: int = 2) -> None:
        """Wait until everyone who still asks has had that many more answers."""
        wanted = {name: self.good[name] + answers for name in self._asking()}
        eventually(
            lambda: all(self.good[n] >= wanted[n] for n in self._asking() & wanted.keys()), 180
        )

    def end(self) -> None:
        """Let what is under way end, and ask no more."""
        self._ended.set()
        for thread in self._threads.values():
            thread.join()

    def _asking(self) -> set[str]:
        return {name for name, thread in self._threads.items() if thread.is_alive()}

    def _ask(
        self, name: str, url: str, call: Callable[[], Call], keep: bool, until: Callable[[], bool]
    ) -> None:
        connection = connect(url)
        while not self._ended.is_set() and not until():
            began = time.monotonic()
            wrong = say(connection, call())
            if wrong:
                now = time.strftime("%H:%M:%S")
                self.bad.append(f"{now} {name}, after {time.monotonic() - began:.1f} s: {wrong}")
            else:
                self.good[name] += 1
            if wrong or not keep:
                connection.close()
            time.sleep(PAUSE_S)
        connection.close()


@contextmanager
def load(url: str) -> Iterator[Load]:
    """Streams, kept connections and new ones; it flows when this is entered."""
    under = Load()
    with ExitStack() as ends:
        ends.callback(under.end)
        for number in range(3):
            under.start(f"stream {number}", url, lambda: STREAM)
            time.sleep(1)
        for number in range(2):
            under.start(f"kept {number}", url, keep=True)
        under.start("new", url)
        eventually(lambda: len(under.good) == 6)
        yield under


def connect(url: str) -> http.client.HTTPConnection:
    """A connection that opens with the first request, and again after its end; of any TLS server."""
    where = urlsplit(url)
    host, port = where.hostname or "", where.port
    if where.scheme == "https":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(host, port, timeout=60, context=tls)
    return http.client.HTTPConnection(host, port, timeout=60)


def say(connection: http.client.HTTPConnection, call: Call) -> str:
    """Ask; what was wrong with the answer, or nothing."""
    message = {"role": "user", "content": call.text}
    body = {"model": call.model, "messages": [message], "stream": call.stream}
    headers = {"content-type": "application/json"}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    if answer.status != http.HTTPStatus.OK:
        return f"{answer.status} {content[:300]}"
    said = _streamed(content) if call.stream else _said(content)
    return "" if said == call.expected else f"200, but {content[-300:]!r}"


def _said(content: str) -> str:
    text: str = json.loads(content)["choices"][0]["message"]["content"]
    return text


def _streamed(content: str) -> str:
    """The text of a stream that ended as it should."""
    events = [line[6:] for line in content.splitlines() if line.startswith("data: ")]
    if events[-1:] != ["[DONE]"]:
        return f"a stream that ends with {events[-1:]}"
    choices = [json.loads(each)["choices"] for each in events[:-1]]
    return "".join(each[0]["delta"].get("content") or "" for each in choices if each)
