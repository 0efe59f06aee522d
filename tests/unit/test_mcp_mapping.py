"""What an MCP server lists, as contracts; what it answers, as results and words; and what the end of a request says of its effect."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

import httpx2
import mcp_types as types
import pytest
from mcp import MCPError

from motet.adapters import mcp_connection as connection
from motet.adapters.mcp_tools import (
    ANY_RESULT,
    McpOptions,
    add,
    arguments_schema,
    calling,
    chosen,
    effect_of,
    mcp_toolset,
    name_of,
    result_of,
    result_schema,
)
from motet.chassis.errors import ConfigurationError
from motet.tools import Context, Running, Tool, ToolFailed, Toolset, TryAgain, Unknown
from motet.tools.failure import Unclear

SCHEMA: Final = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}

READS: Final = {"readOnlyHint": True}


def listed(
    name: str = "read-file", hints: Mapping[str, bool] | None = None, output: dict[str, Any] | None = None
) -> types.Tool:
    """A tool as a server lists it."""
    annotations = types.ToolAnnotations.model_validate(hints) if hints else None
    return types.Tool(
        name=name, description="Reads.", input_schema=SCHEMA, output_schema=output, annotations=annotations
    )


def made(tool: types.Tool, options: McpOptions | None = None, answer: Any = None) -> Tool:
    """The tool that a server's tool becomes, answering always the same."""

    def run(context: Context, /, **arguments: Any) -> Any:
        del context, arguments
        if isinstance(answer, Exception):
            raise answer
        return answer

    toolset = Toolset("files")
    add(toolset, name_of(tool.name), tool, run, options or {})
    return toolset.tools[0]


@pytest.mark.parametrize(
    ("hints", "effect"),
    [
        ({}, "irreversible"),
        ({"readOnlyHint": True}, "pure"),
        ({"readOnlyHint": True, "idempotentHint": True, "destructiveHint": True}, "pure"),
        ({"readOnlyHint": False}, "irreversible"),
        ({"idempotentHint": True}, "idempotent"),
        ({"idempotentHint": True, "destructiveHint": True}, "idempotent"),
        ({"idempotentHint": False}, "irreversible"),
        ({"destructiveHint": True}, "irreversible"),
        ({"destructiveHint": False}, "irreversible"),
        ({"openWorldHint": False}, "irreversible"),
    ],
)
def test_annotations_say_what_a_crash_means(hints: dict[str, bool], effect: str) -> None:
    """What does not say that it may be run again is never run again by itself."""
    tool = listed(hints=hints)
    assert effect_of(tool.annotations) == effect
    assert made(tool).effect == effect.upper()


def test_who_knows_better_says_so() -> None:
    """Options come before hints, and before the schemas that the server lists."""
    tool = made(
        listed(),
        McpOptions(effect="idempotent", writes="file:{path}", version=3, approval=True, result_schema={"type": "null"}),
    )
    contract = tool.contract_fields()
    assert (tool.effect, tool.version, contract.approval) == ("IDEMPOTENT", 3, True)
    assert [claim.template for claim in contract.claims] == ["file:{path}"]
    assert contract.result_schema == '{"type":"null"}'
    with pytest.raises(ConfigurationError, match="no transaction takes it back"):
        made(listed(), McpOptions(effect="transactional"))


def test_names_become_names_that_motet_takes() -> None:
    """Two that would become one are named, also which to leave out; what is not there is said with what is."""
    assert [name_of(name) for name in ("read_file", "read-file", "git.log/all", "2fa", "_x", "é")] == [
        "read_file",
        "read_file",
        "git_log_all",
        "tool_2fa",
        "tool__x",
        "tool__",
    ]
    both = [listed("read_file"), listed("read-file"), listed("write")]
    with pytest.raises(ConfigurationError, match=r"'read-file' and 'read_file' would both be read_file: .* `only`"):
        chosen("toolset files", both, (), {})
    assert list(chosen("toolset files", both, ["write", "read-file"], {"write": {}})) == ["read_file", "write"]
    for only, options in ((["wipe"], {}), ([], {"wipe": {}})):
        with pytest.raises(ConfigurationError, match="has no tool wipe; it has read-file, read_file, write"):
            chosen("toolset files", both, only, options)


def test_a_server_has_the_same_contracts_in_whatever_order_it_lists_them() -> None:
    """Contracts are compared by digest when a service starts."""
    tools = [listed(name, READS) for name in ("a-b", "c", "d")]
    turned = {"required": ["path"], "properties": {"path": {"type": "string"}}, "type": "object"}
    seen = set()
    for some in itertools.permutations(tools):
        found = chosen("toolset files", [one.model_copy(update={"input_schema": turned}) for one in some], (), {})
        seen.add(tuple(made(one).contract_fields().sha256 for one in found.values()))
    assert seen == {tuple(made(one).contract_fields().sha256 for one in tools)}


def test_schemas_are_the_servers_own() -> None:
    """Without what makes a document of them, and with the type that a contract needs; another document is not asked."""
    dialect = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "urn:x"}
    tool = listed(output={**dialect, "type": "object", "properties": {"$id": {"type": "string"}}})
    tool.input_schema = {**dialect, "properties": {"a": {"$ref": "#/definitions/a"}}, "definitions": {"a": {}}}
    assert arguments_schema(tool) == {
        "type": "object",
        "properties": {"a": {"$ref": "#/definitions/a"}},
        "definitions": {"a": {}},
    }
    assert result_schema(tool) == {"type": "object", "properties": {"$id": {"type": "string"}}}
    assert result_schema(listed()) == ANY_RESULT
    assert json.loads(made(tool).contract_fields().arguments_schema) == arguments_schema(tool)

    tool.input_schema = {"properties": {"a": {"$ref": "https://schemas.example/other.json"}}}
    with pytest.raises(ConfigurationError, match=r"tool files\.read_file: arguments_schema .* refers to"):
        made(tool)
    tool.input_schema = {"type": "array"}
    with pytest.raises(ConfigurationError, match="'array'"):
        made(tool)


def test_an_argument_may_be_called_context() -> None:
    """Its name is the server's to choose."""
    tool = listed(hints=READS)
    tool.input_schema = {"type": "object", "properties": {"context": {}, "self": {}}}
    server: Any = SimpleNamespace(
        call=lambda _, arguments, __: types.CallToolResult(content=[], structured_content=arguments)
    )
    toolset, given = Toolset("files"), {"context": 1, "self": 2}
    add(toolset, "read_file", tool, calling(server, tool), {})
    assert toolset.tools[0].call(given, Context.for_testing()) == given
    assert toolset.tools[0].contract_fields().description == "Reads."


TEXT: Final = types.TextContent(type="text", text="hello")
IMAGE: Final = types.ImageContent(type="image", data="AA==", mime_type="image/png")


@pytest.mark.parametrize(
    ("content", "structured", "result"),
    [
        ([], None, None),
        ([TEXT], None, "hello"),
        ([TEXT], {"a": 1}, {"a": 1}),
        (
            [TEXT, IMAGE],
            None,
            [{"type": "text", "text": "hello"}, {"type": "image", "data": "AA==", "mimeType": "image/png"}],
        ),
    ],
)
def test_results_are_json(content: list[Any], structured: Any, result: Any) -> None:
    """Structured content before text, one text as text, anything else as MCP's blocks; each fits the schema of any result."""
    answer = types.CallToolResult(content=content, structured_content=structured)
    assert result_of(listed(), answer) == result
    assert made(listed(), answer=result).call({"path": "x"}, Context.for_testing()) == result


def test_an_error_of_the_tool_is_final_in_the_servers_words() -> None:
    """All texts of it; a server that says nothing is named."""
    failed = types.CallToolResult(content=[TEXT, IMAGE, TEXT], is_error=True)
    with pytest.raises(ToolFailed, match=r"^hello\nhello$") as caught:
        result_of(listed(), failed)
    assert caught.value.code == "TOOL_ERROR"
    assert not isinstance(caught.value, Unclear)
    with pytest.raises(ToolFailed, match="read-file failed, and does not say why"):
        result_of(listed(), types.CallToolResult(content=[], is_error=True))


@pytest.mark.parametrize(
    ("code", "word", "said"),
    [
        (connection.NOT_SENT, TryAgain, "NOT_CONNECTED"),
        (connection.NOT_TAKEN, ToolFailed, "REFUSED"),
        (types.METHOD_NOT_FOUND, ToolFailed, "REFUSED"),
        (types.INVALID_PARAMS, Unknown, None),
        (types.REQUEST_TIMEOUT, Unclear, "TIMED_OUT"),
        (connection.BROKEN, Unknown, None),
        (types.CONNECTION_CLOSED, Unknown, None),
        (types.PARSE_ERROR, Unknown, None),
        (types.INVALID_REQUEST, Unknown, None),
        (types.INTERNAL_ERROR, Unknown, None),
        (-32_099, Unknown, None),
    ],
)
def test_an_error_in_place_of_a_result_says_what_is_known(code: int, word: type[Exception], said: str | None) -> None:
    """What may have happened is never said not to have."""
    error = connection.ended("pay", MCPError(code, "why"))
    assert (type(error), str(error), getattr(error, "code", None)) == (word, "pay: why", said)


def test_only_a_tool_that_leaves_nothing_behind_is_tried_again_after_that() -> None:
    """For others the effect class says what follows."""
    context = Context.for_testing()
    with pytest.raises(TryAgain):
        made(listed(hints=READS), answer=Unknown("lost")).call({"path": "x"}, context)
    others: list[dict[str, bool]] = [{"idempotentHint": True}, {}]
    for hints in others:
        with pytest.raises(Unknown):
            made(listed(hints=hints), answer=Unknown("lost")).call({"path": "x"}, context)


@pytest.mark.parametrize(
    ("status", "in_session", "headers", "code"),
    [
        (200, False, {}, None),
        (400, False, {}, connection.NOT_TAKEN),
        (400, True, {}, connection.GONE),
        (401, True, {}, connection.NOT_TAKEN),
        (404, False, {}, connection.NOT_TAKEN),
        (404, True, {}, connection.GONE),
        (408, False, {}, connection.BROKEN),
        (429, True, {}, connection.NOT_SENT),
        (500, False, {}, None),
        (502, True, {}, None),
        (503, False, {}, connection.BROKEN),
        (503, False, {"retry-after": "1"}, connection.NOT_SENT),
    ],
)
def test_a_status_says_what_is_known(status: int, in_session: bool, headers: dict[str, str], code: int | None) -> None:
    """Only of what says "later" is it known that nothing happened; a session that was forgotten is another one's turn."""
    assert connection.meaning(status, headers, in_session=in_session) == code


class Failing(httpx2.AsyncBaseTransport):
    """A network that answers or raises."""

    def __init__(self, end: httpx2.Response | Exception) -> None:
        self.end = end

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The one end."""
        del request
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


def sent(end: httpx2.Response | Exception) -> tuple[int, Any]:
    """What the library reads of a request."""

    async def work() -> httpx2.Response:
        async with connection.Http(transport=Failing(end)) as http:
            return await http.post("http://127.0.0.1:9/mcp", json={})

    answer = asyncio.run(work())
    return answer.status_code, answer.json()


def test_over_http_a_request_that_fails_ends_itself_alone() -> None:
    """As an answer that the library reads as JSON-RPC; a server's own JSON is left as it is."""
    for end, code in (
        (httpx2.ConnectError("refused"), connection.NOT_SENT),
        (httpx2.ConnectTimeout("slow"), connection.NOT_SENT),
        (httpx2.ReadError("reset"), connection.BROKEN),
        (httpx2.ReadTimeout("slow"), connection.BROKEN),
        (httpx2.RemoteProtocolError("hung up"), connection.BROKEN),
        (httpx2.Response(401, text="who are you?"), connection.NOT_TAKEN),
        (httpx2.Response(401, json={"error": "invalid_token"}), connection.NOT_TAKEN),
        (httpx2.Response(503, json={}), connection.BROKEN),
        (httpx2.Response(503, headers={"retry-after": "1"}), connection.NOT_SENT),
    ):
        status, answer = sent(end)
        assert (status, answer["error"]["code"]) == (503, code)
        types.JSONRPCError.model_validate(answer)
    own = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no"}}
    assert sent(httpx2.Response(400, json=own)) == (400, own)


def test_a_request_carries_the_calls_key_and_trace() -> None:
    """The key is the same in each attempt."""
    context = Context.for_testing(key="k" * 64)
    assert connection.meta_of(context) == {"motet/key": "k" * 64}
    traced = Context(
        key="k", tenant="t", domain="d", plan_id="p", call_index=0, attempt=2, agent="a", traceparent="00-1-2-01"
    )
    assert connection.meta_of(traced) == {"motet/key": "k", "traceparent": "00-1-2-01"}


def test_progress_is_a_heartbeat() -> None:
    """Whatever of it was said, cut to what a record carries."""
    heard: list[str] = []
    context = Context.for_testing(running=Running(heard=heard.append))
    asyncio.run(connection.beat(context, 1, 4, "x" * 10_000))
    asyncio.run(connection.beat(context, 2.5, None, None))
    assert [json.loads(one) for one in heard] == [
        {"progress": 1, "total": 4, "message": "x" * 500},
        {"progress": 2.5},
    ]


def test_a_server_that_is_not_there_is_said() -> None:
    """Where it is looked for is one place, and what came of it is told."""
    wrong: list[dict[str, Any]] = [{}, {"command": ["x"], "url": "http://x"}, {"command": []}, {"url": ""}]
    for given in wrong:
        with pytest.raises(ConfigurationError, match="command or its url, one of them"):
            mcp_toolset("files", **given)
    with pytest.raises(ConfigurationError, match="write a list: program, arguments"):
        mcp_toolset("files", command="npx server")
    with pytest.raises(
        ConfigurationError, match=r"toolset files \(/no/such/program\) does not list its tools: .*FileNotF"
    ):
        mcp_toolset("files", command=["/no/such/program", "--token", "secret"])
    with pytest.raises(ConfigurationError, match="nothing was sent: ConnectError"):
        mcp_toolset("files", url="http://127.0.0.1:9/mcp")


def test_a_failure_is_taken_at_its_word_only_where_it_can_speak_of_the_effect() -> None:
    """Not of a function that broke off, and not of a run behind a process that died."""
    tool = types.Tool(name="pay", input_schema={"type": "object"})

    def failed(text: str) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)

    for text, again, word in (
        ("no such account", False, ToolFailed),
        ("Error executing tool pay: no such account", False, ToolFailed),
        ("Error executing tool pay", False, Unclear),
        ("no such account", True, Unclear),
    ):
        with pytest.raises(ToolFailed) as error:
            result_of(tool, failed(text), again=again)
        assert type(error.value) is word, text
