"""HTTP as a tool's effect: the call's key is sent on, and every end is one of the words that Motet knows.

    from motet.tools import Context, Toolset
    from motet.tools.http import Http, Response

    tools = Toolset("shop")
    shop = Http("https://shop.example/v1", headers={"Authorization": f"Bearer {os.environ['SHOP_TOKEN']}"})

    @tools.tool(effect="idempotent", timeout_seconds=20)
    def charge(context: Context, account: str, amount: int) -> Response:
        \"\"\"Charges an account.\"\"\"
        return shop.post(context, "/charges", json={"account": account, "amount": amount})

What came of a request is told apart by what it says of the effect:

| what came | what is known | what `Http` does |
|---|---|---|
| 2xx | it happened | returns the Response |
| 307, 308; any redirect of GET and HEAD | it did not happen here, elsewhere it may | follows it, 5 times at most, then ToolFailed TOO_MANY_REDIRECTS |
| another 3xx | the server answered, and what it means only the tool can say | returns the Response |
| no connection: refused, unknown name, TLS, connect timeout, no connection free; time over before the first byte | nothing was sent | TryAgain NOT_CONNECTED |
| a URL, header or body that cannot be sent | nothing was sent, nor will it be | ToolFailed INVALID_REQUEST |
| 429, 503 | it did not happen, later it may | TryAgain HTTP_429, HTTP_503, after `Retry-After` |
| 408 | the request did not arrive whole | TryAgain HTTP_408, after `Retry-After` |
| 409, 425 | an earlier attempt with the key is in progress | TryAgain HTTP_409, HTTP_425, after `Retry-After` |
| another 4xx | it was refused, and would be again | ToolFailed with the code HTTP_404 and so on, and the start of the body |
| another 5xx | the server broke, at whichever place | Unknown |
| read or write timeout, a connection that broke after the request went out, a 2xx whose body broke off | the effect may have happened | Unknown |

`Retry-After` may be seconds or a date; beyond 86,400 s it counts as 86,400. Without one the waits are the contract's. To the host `Unknown`
is any other exception: the effect class decides. A pure tool, which only reads, says `retry_on=(Unknown,)` and is tried again.

The words are about one request. A tool that makes several with effects is best made several tools; else only the last may be left to speak
for the call, and each needs a key of its own: `headers={"Idempotency-Key": f"{context.key}-2"}`. An idempotent tool needs a server that
honours the key; for one that does not, declare the tool reconcilable or irreversible.
"""

from __future__ import annotations

import contextlib
import json as json_text
import math
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypedDict, Unpack

import httpx

from motet.chassis.canonical import canonical_json
from motet.chassis.errors import ConfigurationError
from motet.tools.context import Context
from motet.tools.failure import ToolFailed, TryAgain, Unknown
from motet.tools.retry_after import retry_after

KEY: Final = "Idempotency-Key"
FENCING: Final = "Motet-Fencing-Token"
TRACE: Final = "traceparent"
INVALID_REQUEST: Final = "INVALID_REQUEST"
NOT_CONNECTED: Final = "NOT_CONNECTED"

# What is recorded of a response's headers unless the author names others: nothing that is another one at each request, such as the date.
RECORDED: Final = ("content-type", "etag", "last-modified", "location")
# As a part of a result it stays within 256 KiB, also where JSON doubles its quotes or what is no text takes three bytes each.
BODY_BYTES: Final = 65_536
EXCERPT_CHARACTERS: Final = 500
REDIRECTS: Final = 5
# An idle connection is not used after so long: the nearer to the server's own limit, the likelier it closes just as a request goes out.
IDLE_SECONDS: Final = 5.0
# No step gets less, because 0 would mean that it may not even begin.
SHORTEST_STEP_SECONDS: Final = 0.001
LATER: Final = frozenset({408, 409, 425, 429, 503})
# Redirects that keep method and body; of others a browser may make a GET, which asks for something else.
KEPT: Final = frozenset({307, 308})
READING: Final = frozenset({"GET", "HEAD"})
# What another origin may be sent: everything else was meant for this one.
FOR_EVERYBODY: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"}
    | {KEY.lower(), FENCING.lower(), TRACE}
)
# The step before which nothing has left this process.
FIRST_BYTE: Final = ".send_request_headers.started"
NOTHING_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# The body's length is counted here, so a request that breaks the protocol does so before its first byte.
NEVER_SENT: Final = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
SCHEMES: Final = ("http", "https")
USER: Final = re.compile(r"//[^/@]*@")


class RequestOptions(TypedDict, total=False):
    """What a request may have: a JSON value or content as body, query parameters, headers."""

    json: Any
    content: bytes | str
    params: Mapping[str, str | int | float | bool | None]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered, as JSON has it: a tool may return it as its result, and so record it.

    `headers` are those of interest, in lower case. `body` is a JSON value if the server says that it is JSON, else text, or None if it is
    empty; of a body beyond the limit it is the start, as text, and `truncated` is true.
    """

    status: int
    headers: dict[str, str]
    body: Any
    truncated: bool = False


class Limit:
    """One time limit for all steps of a request: httpx by itself gives each step the whole of it."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds
        self.steps: dict[str, float] = {}
        self.narrow("", {})

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.ends - time.monotonic()

    def narrow(self, event: str, _details: Mapping[str, Any]) -> None:
        """Gives the next step what the former ones left; httpx calls it before each.

        A process that was paused, and wakes when its time is over, sends nothing: another one acts in its place by now. Raises ConnectTimeout.
        """
        if event.endswith(FIRST_BYTE) and self.left <= 0:
            raise httpx.ConnectTimeout("its time was over before the first byte")
        seconds = max(self.left, SHORTEST_STEP_SECONDS)
        self.steps.update(connect=seconds, pool=seconds, read=seconds, write=seconds)


class Http:
    """A client for tools: made once in a process, used by all threads, closed with it.

    A request's limit is `timeout_seconds` or what is left of the attempt's time, whichever is shorter. `headers` are sent with each
    request, `recorded` names those of the response that are kept, and of its body `body_bytes` are read at most. With a `base_url` no other
    origin is asked unless that one redirects there, which then gets none of the headers. Cookies are not kept: calls share nothing.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 10.0,
        recorded: Sequence[str] = RECORDED,
        body_bytes: int = BODY_BYTES,
        verify: ssl.SSLContext | str | bool = True,
    ) -> None:
        if not (math.isfinite(timeout_seconds) and timeout_seconds > 0) or body_bytes < 0:
            raise ConfigurationError(
                f"timeout_seconds {timeout_seconds!r} is above 0, and body_bytes {body_bytes!r} is 0 or more"
            )
        try:
            base = httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"base_url {base_url!r} is no URL: {error}") from error
        if base_url and (base.scheme not in SCHEMES or not base.host):
            raise ConfigurationError(f"base_url {base_url!r} is not http://… or https://…")
        self.timeout_seconds = timeout_seconds
        self.body_bytes = body_bytes
        self.recorded = tuple(name.lower() for name in recorded)
        self._origin = _origin(base) if base_url else None
        self._client = httpx.Client(
            base_url=base_url,
            headers={"User-Agent": "motet", **(headers or {})},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            follow_redirects=False,
            verify=verify,
        )

    def request(self, context: Context, method: str, url: str, **options: Unpack[RequestOptions]) -> Response:
        """One request and its answer. Raises ToolFailed, TryAgain and Unknown as the module's table says."""
        seconds = self._seconds(context)
        where = f"{method} {_shown(url)}"
        if seconds <= 0:
            raise TryAgain(f"{where}: no time was left for it; nothing was sent", NOT_CONNECTED)
        limit = Limit(seconds)
        request = self._built(context, method, url, options, limit)
        for _ in range(REDIRECTS + 1):
            with contextlib.closing(self._sent(request, limit)) as answer:
                onward = _onward(request, answer)
                if onward is None:
                    return self._read(request, answer, limit)
                request = onward
        raise ToolFailed(
            f"{where}: redirected more than {REDIRECTS} times, at last to {_place(request)}", "TOO_MANY_REDIRECTS"
        )

    def get(self, context: Context, url: str, **options: Unpack[RequestOptions]) -> Response:
        """GET."""
        return self.request(context, "GET", url, **options)

    def post(self, context: Context, url: str, **options: Unpack[RequestOptions]) -> Response:
        """POST."""
        return self.request(context, "POST", url, **options)

    def put(self, context: Context, url: str, **options: Unpack[RequestOptions]) -> Response:
        """PUT."""
        return self.request(context, "PUT", url, **options)

    def patch(self, context: Context, url: str, **options: Unpack[RequestOptions]) -> Response:
        """PATCH."""
        return self.request(context, "PATCH", url, **options)

    def delete(self, context: Context, url: str, **options: Unpack[RequestOptions]) -> Response:
        """DELETE."""
        return self.request(context, "DELETE", url, **options)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- steps of a request ------------------------------------------------------------------------------------------------

    def _seconds(self, context: Context) -> float:
        left = context.seconds_left
        return self.timeout_seconds if left is None else min(self.timeout_seconds, left)

    def _built(self, context: Context, method: str, url: str, options: RequestOptions, limit: Limit) -> httpx.Request:
        """The request, with everything checked that could keep it from being sent. Raises ToolFailed INVALID_REQUEST."""
        headers = {KEY: context.key, FENCING: str(context.fencing_token)}
        if context.traceparent:
            headers[TRACE] = context.traceparent
        content = options.get("content")
        value = options.get("json")
        try:
            if value is not None:
                if content is not None:
                    _refuse(method, url, "it has json and content; a request has one body")
                # Canonical, so that each attempt sends the same bytes: a server compares them by the key.
                content = canonical_json(value)
                headers["Content-Type"] = "application/json"
            request = self._client.build_request(
                method,
                url,
                content=content,
                params=options.get("params"),
                headers=_merged(headers, options.get("headers", {})),
                extensions={"timeout": limit.steps, "trace": limit.narrow},
            )
        # What httpx raises for a URL, a header or a method that no request can have; ValueError is a body's as well.
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            _refuse(method, url, str(error), error)
        if request.url.scheme not in SCHEMES or not request.url.host:
            _refuse(method, url, "it is not http://… or https://…, and there is no base_url")
        if self._origin is not None and _origin(request.url) != self._origin:
            _refuse(method, url, f"this client is for {self._origin}, and its headers are for nobody else")
        length = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers or length != str(len(request.read())):
            _refuse(method, url, "Content-Length and Transfer-Encoding are not the tool's to say")
        return request

    def _sent(self, request: httpx.Request, limit: Limit) -> httpx.Response:
        """The answer, its body still to be read."""
        limit.narrow("", {})
        try:
            return self._client.send(request, stream=True)
        except NEVER_SENT as error:
            _refuse(request.method, _shown(request.url), str(error), error)
        except NOTHING_SENT as error:
            raise TryAgain(f"{_place(request)}: nothing was sent: {_reason(error)}", NOT_CONNECTED) from error
        except httpx.RequestError as error:
            raise Unknown(f"{_place(request)}: it was sent, and not answered: {_reason(error)}") from error

    def _read(self, request: httpx.Request, answer: httpx.Response, limit: Limit) -> Response:
        """The answer as a value, or as one of the words."""
        body, broken, truncated = bytearray(), None, False
        try:
            for piece in answer.iter_bytes():
                body += piece
                truncated = len(body) > self.body_bytes
                if truncated:
                    break
                if limit.left <= 0:
                    broken = f"no end of it within {self.timeout_seconds:g} seconds"
                    break
        except httpx.RequestError as error:
            broken = _reason(error)
        text = _text(answer, bytes(body[: self.body_bytes]))
        if answer.is_error:
            _raise_for(request, answer, text)
        if broken is not None:
            raise Unknown(f"{_place(request)}: answered {answer.status_code}, and its body broke off: {broken}")
        headers = {name: answer.headers[name] for name in self.recorded if name in answer.headers}
        return Response(answer.status_code, headers, text if truncated else _value(answer, text), truncated)


def _merged(headers: dict[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Headers, those that the author gives in place of ours."""
    given = {name.lower() for name in more}
    return {**{name: value for name, value in headers.items() if name.lower() not in given}, **more}


def _onward(request: httpx.Request, answer: httpx.Response) -> httpx.Request | None:
    """The request to follow a redirect with; None if it is an answer."""
    onward = answer.next_request
    if onward is None or onward.url.scheme not in SCHEMES:
        return None
    if answer.status_code not in KEPT and request.method not in READING:
        return None
    if _origin(onward.url) != _origin(request.url):
        for name in set(onward.headers) - FOR_EVERYBODY:
            del onward.headers[name]
    return onward


def _raise_for(request: httpx.Request, answer: httpx.Response, text: str) -> NoReturn:
    """The word for an answer that is no success."""
    status, code = answer.status_code, f"HTTP_{answer.status_code}"
    excerpt = " ".join(text[:EXCERPT_CHARACTERS].split())
    message = f"{_place(request)}: answered {status} {answer.reason_phrase}".rstrip() + (
        f": {excerpt}" if excerpt else ""
    )
    if status in LATER:
        raise TryAgain(message, code, retry_after(answer.headers))
    if answer.is_client_error:
        raise ToolFailed(message, code)
    raise Unknown(message)


def _text(answer: httpx.Response, body: bytes) -> str:
    try:
        return body.decode(answer.encoding or "utf-8", "replace")
    except LookupError:
        # Some of what Python calls encodings is no text.
        return body.decode("utf-8", "replace")


def _value(answer: httpx.Response, text: str) -> Any:
    """A body as JSON value, or as text where it is none."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        with contextlib.suppress(ValueError, RecursionError):
            return json_text.loads(text, parse_constant=_no_json)
    return text or None


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _origin(url: httpx.URL) -> str:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return f"{url.scheme}://{url.host}:{port}"


def _shown(url: httpx.URL | str) -> str:
    """An address without user, query and fragment: these may be secrets, and a message is history."""
    return USER.sub("//", str(url).partition("#")[0].partition("?")[0])


def _place(request: httpx.Request) -> str:
    return f"{request.method} {_shown(request.url)}"


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _refuse(method: str, url: str, why: str, cause: Exception | None = None) -> NoReturn:
    raise ToolFailed(f"{method} {_shown(url)} cannot be sent: {why}", INVALID_REQUEST) from cause
