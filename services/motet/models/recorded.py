"""A model endpoint that answers from a recording, over the real HTTP protocol: for tests and demonstrations without the internet.

It speaks OpenAI's chat completions, whole and streamed. Which answer comes next follows from the request alone (who speaks, and how many answers
there were before), so the same request gets the same answer, however often and to whomever. `motet models serve FILE`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from motet.chassis.canonical import canonical_json, sha256_text
from motet.chassis.errors import ConfigurationError

PATH: Final = "/v1/chat/completions"
# Of a text so many characters are a token, and so many come at once.
TOKEN_CHARACTERS: Final = 4
PIECE_CHARACTERS: Final = 24


class RecordedCall(BaseModel):
    """A call that is asked for."""

    model_config = ConfigDict(extra="forbid")

    name: str
    arguments: dict[str, Any] | str = {}


class RecordedAnswer(BaseModel):
    """An answer: a text, calls, or both; or an error of the endpoint, so many times before the answer comes."""

    model_config = ConfigDict(extra="forbid")

    content: str | None = None
    tool_calls: list[RecordedCall] = []
    status: int = Field(default=200, ge=200, le=599)
    times: int = Field(default=1, ge=1)


class Recording(BaseModel):
    """Answers in order, by who speaks (`name` of the first user message), or for anybody under "*"."""

    model_config = ConfigDict(extra="forbid")

    answers: dict[str, list[RecordedAnswer]]

    def answer_to(self, messages: Sequence[Mapping[str, Any]]) -> RecordedAnswer:
        """The answer to a request. Raises LookupError if there is none."""
        speaker = next((str(one.get("name", "")) for one in messages if one.get("role") == "user"), "")
        before = len([one for one in messages if one.get("role") == "assistant"])
        answers: list[RecordedAnswer] | None = self.answers.get(speaker) or self.answers.get("*")
        if answers is None or before >= len(answers):
            have = "no recording" if answers is None else f"{len(answers)} answers"
            raise LookupError(f"there is no answer {before + 1} for speaker {speaker!r}: {have}")
        return answers[before]


def read(path: Path) -> Recording:
    """The recording of a YAML or JSON file. Raises ConfigurationError that says where the file is wrong."""
    try:
        return Recording.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"{path} is no recording: {' '.join(str(error).split())}") from error


@dataclass(slots=True)
class Request:
    """A request as it was taken: for tests that count."""

    body: dict[str, Any]
    key: str | None


class RecordedModel:
    """The endpoint. `requests` are those that came, in order."""

    def __init__(self, recording: Callable[[Sequence[Mapping[str, Any]]], RecordedAnswer], port: int = 0) -> None:
        self.recording = recording
        self.requests: list[Request] = []
        self.failed: dict[str, int] = {}
        self.lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """A request."""
                endpoint.answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
                """Says nothing: whoever asks counts."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL is set to."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def answer(self, connection: BaseHTTPRequestHandler) -> None:
        """Reads a request and answers it."""
        raw = connection.rfile.read(int(connection.headers.get("Content-Length", "0")))
        try:
            body = json.loads(raw)
            messages = body["messages"]
        except (ValueError, KeyError, TypeError):
            refuse(connection, HTTPStatus.BAD_REQUEST, "the body is no request of chat completions")
            return
        if connection.path != PATH:
            refuse(connection, HTTPStatus.NOT_FOUND, f"there is {PATH}, and not {connection.path}")
            return
        with self.lock:
            self.requests.append(Request(body, connection.headers.get("Idempotency-Key")))
            try:
                found = self.recording(messages)
            except LookupError as error:
                refuse(connection, HTTPStatus.BAD_REQUEST, str(error))
                return
            digest = sha256_text(canonical_json(messages))
            failing = found.status != HTTPStatus.OK and self.failed.get(digest, 0) < found.times
            self.failed[digest] = self.failed.get(digest, 0) + failing
        if failing:
            refuse(connection, HTTPStatus(found.status), "the recording says so")
            return
        send(connection, body, found, digest)

    def wait(self) -> None:
        """Until this thread is interrupted."""
        threading.Event().wait()

    @contextmanager
    def running(self) -> Iterator[RecordedModel]:
        """Serves on a thread of its own until the block ends."""
        thread = threading.Thread(target=self.server.serve_forever, name="recorded-model", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


def refuse(connection: BaseHTTPRequestHandler, status: HTTPStatus, message: str) -> None:
    """An error as OpenAI's endpoints write it."""
    whole(connection, status, {"error": {"message": message, "type": "invalid_request_error", "code": status.phrase}})


def whole(connection: BaseHTTPRequestHandler, status: HTTPStatus, content: Any) -> None:
    """One JSON value."""
    text = json.dumps(content).encode()
    connection.send_response(status)
    connection.send_header("Content-Type", "application/json")
    connection.send_header("Content-Length", str(len(text)))
    connection.end_headers()
    connection.wfile.write(text)


def send(connection: BaseHTTPRequestHandler, body: Mapping[str, Any], found: RecordedAnswer, digest: str) -> None:
    """An answer, whole or streamed as the request asks for. Ids follow from the request."""
    calls = [
        {
            "index": place,
            "id": f"call_{digest[:16]}_{place}",
            "type": "function",
            "function": {"name": one.name, "arguments": text_of(one.arguments)},
        }
        for place, one in enumerate(found.tool_calls)
    ]
    finish = "tool_calls" if calls else "stop"
    usage = used(body, found.content or "", calls)
    head = {"id": f"chatcmpl-{digest[:24]}", "created": 0, "model": body.get("model", "recorded")}
    if not body.get("stream"):
        message = {"role": "assistant", "content": found.content} | (
            {"tool_calls": [{key: value for key, value in call.items() if key != "index"} for call in calls]}
            if calls
            else {}
        )
        choice = {"index": 0, "message": message, "finish_reason": finish}
        whole(connection, HTTPStatus.OK, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        return
    connection.send_response(HTTPStatus.OK)
    connection.send_header("Content-Type", "text/event-stream")
    connection.send_header("Transfer-Encoding", "chunked")
    connection.end_headers()
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces(found.content or "")]
    deltas += [({"tool_calls": [call]}, None) for call in calls]
    for delta, ended in (*deltas, ({}, finish)):
        choice = {"index": 0, "delta": delta, "finish_reason": ended}
        event(connection, {**head, "object": "chat.completion.chunk", "choices": [choice], "usage": None})
    event(connection, {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    chunk(connection, b"data: [DONE]\n\n")
    chunk(connection, b"")


def event(connection: BaseHTTPRequestHandler, content: Any) -> None:
    """One server-sent event."""
    chunk(connection, f"data: {json.dumps(content)}\n\n".encode())


def chunk(connection: BaseHTTPRequestHandler, content: bytes) -> None:
    """One chunk of HTTP/1.1; an empty one ends the answer."""
    connection.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def pieces(text: str) -> list[str]:
    """A text in the parts that it comes in."""
    return [text[start : start + PIECE_CHARACTERS] for start in range(0, len(text), PIECE_CHARACTERS)]


def text_of(arguments: dict[str, Any] | str) -> str:
    """Arguments as a model writes them; a text stays as it is, so that a recording can be wrong."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def used(body: Mapping[str, Any], content: str, calls: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Tokens, counted by the length of texts."""
    prompt = len(json.dumps([body["messages"], body.get("tools")])) // TOKEN_CHARACTERS
    completion = (len(content) + sum(len(json.dumps(one)) for one in calls)) // TOKEN_CHARACTERS
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
