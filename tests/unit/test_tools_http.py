"""HTTP as a tool's effect, against a real server in another process: what each end of a request says of the effect."""

from __future__ import annotations

import itertools
import json
import math
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from motet.chaos.witness import Witness
from motet.chassis.errors import ConfigurationError
from motet.tools import Context, Running, ToolFailed, Toolset, TryAgain, Unknown
from motet.tools.calling import RESULT_BYTES
from motet.tools.http import Http, Limit, Response

SOON = 0.2
# An end that does not wait for what the server does later.
EARLY = 3.0
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """One for all tests of this file: each has a key of its own."""
    started = Witness.start(tmp_path_factory.mktemp("witness"))
    yield started
    started.stop()


@pytest.fixture
def http(witness: Witness) -> Iterator[Http]:
    """A client of the witness."""
    with Http(witness.url) as made:
        yield made


@pytest.fixture
def context() -> Context:
    """An attempt of a call with a key of its own."""
    return Context.for_testing(key=f"key-{next(NUMBERS)}", fencing_token=65537)


def test_a_request_carries_the_key_the_token_and_the_trace(witness: Witness) -> None:
    """Attempts of one call are told apart and belong together; a server sees it, and a repeat gets the recorded answer."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    context = replace(Context.for_testing(key="carried", fencing_token=65537), traceparent=trace)
    with Http(f"{witness.url}/v1/", headers={"Authorization": "Bearer secret"}) as http:
        first = http.post(context, "/charge", json={"b": 1.0, "a": "ü"}, headers={"X-Extra": "yes"})
        again = http.post(context, "charge", json={"a": "ü", "b": 1})
    assert first == again
    assert (first.status, first.body["body"], first.truncated) == (200, {"a": "ü", "b": 1}, False)
    assert first.headers == {"content-type": "application/json"}
    (one, two) = witness.requests("carried")
    assert (one["method"], one["path"], one["headers"]["content-type"]) == ("POST", "/v1/charge", "application/json")
    assert one["headers"]["idempotency-key"] == "carried"
    assert one["headers"]["motet-fencing-token"] == "65537"
    assert one["headers"]["traceparent"] == trace
    assert one["headers"]["authorization"] == "Bearer secret"
    assert one["headers"]["x-extra"] == "yes"
    # The server set a cookie; another call is nobody's session.
    assert "cookie" not in two["headers"]
    assert len(witness.effects("carried")) == 1


def test_each_method_is_sent_as_it_is_called(witness: Witness, http: Http, context: Context) -> None:
    """With its body, its query and without a trace that the call does not have."""
    http.put(context, "/nokey", content="text")
    http.patch(context, "/nokey", json=[1])
    http.delete(context, "/nokey")
    http.get(context, "/page", params={"bytes": 3, "q": "a b"})
    seen = [(one["method"], one["body"], one["query"]) for one in witness.requests(context.key)]
    assert seen == [
        ("PUT", "text", {}),
        ("PATCH", [1], {}),
        ("DELETE", "", {}),
        ("GET", "", {"bytes": "3", "q": "a b"}),
    ]
    assert "traceparent" not in witness.requests(context.key)[0]["headers"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451])
def test_a_refusal_is_final(witness: Witness, http: Http, context: Context, status: int) -> None:
    """Most of 4xx: nothing happened, and nothing would; the code is the status, the message the start of the body."""
    with pytest.raises(ToolFailed) as caught:
        http.post(context, f"/charge?status={status}&bytes=5000&token=secret")
    assert caught.value.code == f"HTTP_{status}"
    assert caught.value.message.startswith(f"POST {witness.url}/charge: answered {status}")
    assert f"asked for {status}" in caught.value.message
    assert len(caught.value.message) < 700
    assert "secret" not in caught.value.message
    assert not witness.effects(context.key)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 503])
@pytest.mark.parametrize(("asked", "delay"), [("", None), ("&retry_after=7", 7.0)])
def test_what_may_succeed_later_is_tried_again(
    witness: Witness, http: Http, context: Context, status: int, asked: str, delay: float | None
) -> None:
    """Busy, too many, in progress: nothing happened in this attempt, and the server's own wait is honoured."""
    with pytest.raises(TryAgain) as caught:
        http.post(context, f"/charge?status={status}{asked}")
    assert (caught.value.code, caught.value.delay_seconds) == (f"HTTP_{status}", delay)
    assert not witness.effects(context.key)


def test_tried_again_it_happens_once(witness: Witness, http: Http, context: Context) -> None:
    """Two refusals of a busy server, an answer, a repeat: four requests with one key, one effect."""
    url = "/charge?status=503&retry_after=1&times=2"
    for _ in range(2):
        with pytest.raises(TryAgain):
            http.post(context, url, json={"amount": 5})
    assert http.post(context, url, json={"amount": 5}) == http.post(context, url, json={"amount": 5})
    assert (len(witness.requests(context.key)), len(witness.effects(context.key))) == (4, 1)


@pytest.mark.parametrize("status", [500, 501, 502, 504, 507])
def test_a_broken_server_may_have_done_it(http: Http, context: Context, status: int) -> None:
    """Other 5xx: nobody knows at which place it broke."""
    with pytest.raises(Unknown, match=f"answered {status}"):
        http.post(context, f"/charge?status={status}")


def test_a_connection_that_breaks_says_nothing_of_the_effect(witness: Witness, http: Http, context: Context) -> None:
    """Whether it happened or not the caller sees the same; the repeat with the key ends it, and it happened once."""
    with pytest.raises(Unknown, match="it was sent, and not answered"):
        http.post(context, "/charge?drop=1")
    assert not witness.effects(context.key)
    with pytest.raises(Unknown, match="it was sent, and not answered"):
        http.post(context, "/charge?apply_then_drop=1")
    assert len(witness.effects(context.key)) == 1
    assert http.post(context, "/charge?apply_then_drop=1").status == 200
    assert len(witness.effects(context.key)) == 1


def test_a_late_answer_is_not_waited_for(witness: Witness, context: Context) -> None:
    """The client's own limit ends the wait; while the first request is in progress its key is refused, for now."""
    with Http(witness.url, timeout_seconds=SOON) as http:
        began = time.monotonic()
        with pytest.raises(Unknown, match="ReadTimeout"):
            http.post(context, "/charge?delay=60")
        assert time.monotonic() - began < EARLY
        assert len(witness.effects(context.key)) == 1
        with pytest.raises(TryAgain) as caught:
            http.post(context, "/charge?delay=60")
    assert caught.value.code == "HTTP_409"


def test_the_attempts_own_limit_counts(witness: Witness, http: Http) -> None:
    """A request has no more time than its attempt; without any it is not sent."""
    for seconds, word, count in ((SOON, Unknown, 1), (0.0, TryAgain, 0)):
        context = Context.for_testing(key=f"left-{seconds}", running=Running(seconds))
        began = time.monotonic()
        with pytest.raises(word):
            http.post(context, "/charge?delay=60")
        assert time.monotonic() - began < EARLY
        assert len(witness.requests(context.key)) == count


def test_a_limit_is_for_the_whole_request(witness: Witness, context: Context) -> None:
    """A body that comes a character at a time never makes a single step late."""
    with Http(witness.url, timeout_seconds=2 * SOON) as http:
        began = time.monotonic()
        with pytest.raises(Unknown, match="its body broke off: no end of it within"):
            http.get(context, f"/page?bytes=1000&drip={SOON / 4}")
        assert time.monotonic() - began < EARLY


def test_another_body_under_a_key_is_refused(http: Http, context: Context) -> None:
    """A mistake of the tool's, which no attempt would mend."""
    http.post(context, "/charge", json={"amount": 1})
    with pytest.raises(ToolFailed, match="the key was used with another body"):
        http.post(context, "/charge", json={"amount": 2})


# -- nothing was sent ----------------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A port where nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
    return port


def test_without_a_connection_nothing_was_sent(witness: Witness, context: Context) -> None:
    """Refused, no such name, no TLS: another attempt may find it."""
    addresses = [f"http://127.0.0.1:{free_port()}/x", "http://nobody.invalid/x", f"https://127.0.0.1:{witness.port}/x"]
    with Http(timeout_seconds=30.0) as http:
        for address in addresses:
            with pytest.raises(TryAgain, match="nothing was sent") as caught:
                http.post(context, address, json=1)
            assert caught.value.code == "NOT_CONNECTED"


def test_a_connection_that_does_not_come_about_was_not_used(context: Context) -> None:
    """A server that takes a connection and says nothing, not even who it is: the request is still here."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
        Http(timeout_seconds=SOON) as http,
        pytest.raises(TryAgain, match="nothing was sent: ConnectTimeout"),
    ):
        http.post(context, f"https://127.0.0.1:{silent.getsockname()[1]}/x")


@pytest.mark.parametrize(
    ("method", "url", "options", "said"),
    [
        ("POST", "ftp://example.org/x", {}, "it is not http://… or https://…"),
        ("POST", "http://[::1/x", {}, "cannot be sent"),
        ("POST", "http://user:secret@127.0.0.1:9/x?token=secret", {}, "this client is for http://127.0.0.1"),
        ("POST", "/x", {"json": math.nan}, "no canonical JSON"),
        ("POST", "/x", {"json": 1, "content": "1"}, "it has json and content"),
        ("POST", "/x", {"content": 7}, "cannot be sent"),
        ("POST", "/x", {"headers": {"X-Name": "a\r\nX-Other: b"}}, "Illegal header value"),
        ("POST", "/x", {"headers": {"X-Name": "ü€"}}, "cannot be sent"),
        ("POST", "/x", {"headers": {"Content-Length": "3"}, "content": "1"}, "not the tool's to say"),
        ("POST", "/x", {"headers": {"Transfer-Encoding": "chunked"}, "content": "1"}, "not the tool's to say"),
        ("BAD METHOD", "/x", {}, "Illegal method"),
    ],
)
def test_what_cannot_be_sent_fails_for_good(
    witness: Witness, http: Http, context: Context, method: str, url: str, options: Any, said: str
) -> None:
    """The tool's own mistake: nothing left this process, and the message has no secrets."""
    with pytest.raises(ToolFailed, match=r"cannot be sent") as caught:
        http.request(context, method, url, **options)
    assert caught.value.code == "INVALID_REQUEST"
    assert said in caught.value.message
    assert "secret" not in caught.value.message
    assert not witness.requests(context.key)


def test_a_client_without_a_base_takes_whole_addresses_only(witness: Witness, context: Context) -> None:
    """And says so."""
    with Http() as http:
        assert http.post(context, f"{witness.url}/charge").status == 200
        with pytest.raises(ToolFailed, match="there is no base_url"):
            http.post(context, "/charge")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "shop.example"}, "base_url 'shop.example' is not http://… or https://…"),
        ({"base_url": "ftp://shop.example"}, "is not http://… or https://…"),
        ({"base_url": "http://[::1"}, "is no URL"),
        ({"timeout_seconds": 0}, "timeout_seconds 0 is above 0"),
        ({"timeout_seconds": math.inf}, "timeout_seconds inf is above 0"),
        ({"body_bytes": -1}, "body_bytes -1 is 0 or more"),
    ],
)
def test_a_client_is_checked_when_it_is_made(options: Any, said: str) -> None:
    """At import, not at the first call."""
    with pytest.raises(ConfigurationError) as caught:
        Http(**options)
    assert said in str(caught.value)


# -- redirects -----------------------------------------------------------------------------------------------------------------


def test_redirects_that_keep_the_request_are_followed(witness: Witness, http: Http, context: Context) -> None:
    """A GET's, and of a POST those that say: the same again there. It happened once, under its key."""
    for status in (301, 302, 303, 307, 308):
        assert http.get(context, f"/moved?status={status}&location=/page").body == "x"
    for status in (307, 308):
        assert http.post(context, f"/moved?status={status}&location=/charge", json={"amount": 5}).status == 200
    (effect,) = witness.effects(context.key)
    assert (effect["path"], effect["body"]) == ("/charge", {"amount": 5})


@pytest.mark.parametrize("status", [301, 302, 303])
def test_other_redirects_of_a_post_are_answers(witness: Witness, http: Http, context: Context, status: int) -> None:
    """Following them would be a GET: the tool sees where the server points to."""
    response = http.post(context, f"/moved?status={status}&location=/page", json=1)
    assert (response.status, response.headers["location"]) == (status, "/page")
    assert [one["path"] for one in witness.requests(context.key)] == ["/moved"]


@pytest.mark.parametrize("location", ["ftp://example.org/x", ""])
def test_a_redirect_to_nowhere_is_an_answer(http: Http, context: Context, location: str) -> None:
    """Another protocol is nobody's to follow; 304 has no place to point to."""
    status = 302 if location else 304
    assert http.get(context, f"/moved?status={status}&location={location}").status == status


def test_redirects_have_an_end(witness: Witness, http: Http, context: Context) -> None:
    """Five, then the call has failed: none of those servers did anything."""
    with pytest.raises(ToolFailed, match="redirected more than 5 times") as caught:
        http.get(context, "/round?status=302&location=again")
    assert caught.value.code == "TOO_MANY_REDIRECTS"
    assert len(witness.requests(context.key)) == 6


def test_another_origin_gets_no_headers_of_the_authors(witness: Witness, context: Context, tmp_path: Path) -> None:
    """Whatever they are called: they were meant for the first one. The key goes along."""
    other = Witness.start(tmp_path)
    try:
        with Http(witness.url, headers={"Authorization": "Bearer secret", "X-Api-Key": "secret"}) as http:
            url = f"/moved?status=307&location={other.url}/charge"
            assert http.post(context, url, json=1, headers={"X-Other": "secret"}).status == 200
        (request,) = other.requests()
    finally:
        other.stop()
    assert "secret" not in str(request)
    assert (request["key"], request["body"]) == (context.key, 1)
    assert "secret" in str(witness.requests(context.key))


# -- bodies --------------------------------------------------------------------------------------------------------------------


def test_a_body_is_bounded(witness: Witness, context: Context) -> None:
    """It happened, so the call goes on: with the start of the body, as text."""
    with Http(witness.url, body_bytes=100, recorded=("Content-Length",)) as http:
        response = http.post(context, "/charge?bytes=5000", json=1)
        assert http.get(context, "/page?bytes=100") == Response(200, {"content-length": "100"}, "x" * 100)
    assert response.truncated
    assert response.body.startswith('{"effect": ')
    assert len(response.body) == 100
    assert set(response.headers) == {"content-length"}


def test_a_long_body_fits_into_a_result(http: Http, context: Context) -> None:
    """By default: a result beyond the host's limit would leave an effect that nobody knows of."""
    tools = Toolset("shop")

    @tools.tool(effect="idempotent")
    def charge(context: Context) -> Response:
        """Charges."""
        return http.post(context, "/charge?bytes=1000000", content='"' * 200_000)

    text = tools.tools[0].run("{}", context)
    assert json.loads(text)["truncated"]
    assert len(text.encode()) <= RESULT_BYTES


def test_a_body_that_breaks_off(http: Http, context: Context) -> None:
    """Of a success the result is unknown; a refusal is a refusal with half of its words."""
    with pytest.raises(Unknown, match="answered 200, and its body broke off"):
        http.post(context, "/charge?cut=1")
    with pytest.raises(ToolFailed) as caught:
        http.post(context, "/charge?status=404&cut=1")
    assert caught.value.code == "HTTP_404"


def test_threads_share_a_client(witness: Witness, http: Http) -> None:
    """Each call has its own answer, and each key its one effect."""

    def charge(number: int) -> Response:
        return http.post(Context.for_testing(key=f"shared-{number}"), "/charge", json=number)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(charge, range(32)))
    assert [answer.body["body"] for answer in answers] == list(range(32))
    assert len([effect for effect in witness.effects() if effect["key"].startswith("shared-")]) == 32


def test_a_response_is_a_tools_result(http: Http, context: Context) -> None:
    """Recorded as it is; what only reads may be tried again whenever nobody knows."""
    tools = Toolset("shop")

    @tools.tool(effect="pure", retry_on=(Unknown,))
    def look(context: Context, url: str) -> Response:
        """Looks at a page."""
        return http.get(context, url)

    (tool,) = tools.tools
    found = json.loads(tool.run('{"url":"/page?bytes=2"}', context))
    assert (found["status"], found["body"], found["truncated"]) == (200, "xx", False)
    with pytest.raises(TryAgain, match="Unknown: GET"):
        tool.run('{"url":"/page?drop=1"}', context)
    with pytest.raises(ToolFailed, match="answered 404"):
        tool.run('{"url":"/page?status=404"}', context)


def test_who_wakes_when_its_time_is_over_sends_nothing(
    witness: Witness, http: Http, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was paused between its connection and the first byte: another one acts in its place by now."""
    usual = Limit.narrow

    def paused(limit: Limit, event: str, details: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            limit.ends = time.monotonic()
        usual(limit, event, details)

    monkeypatch.setattr(Limit, "narrow", paused)
    with pytest.raises(TryAgain, match="nothing was sent") as caught:
        http.post(context, "/nokey", json={})
    assert caught.value.code == "NOT_CONNECTED"
    assert not witness.requests(context.key)
