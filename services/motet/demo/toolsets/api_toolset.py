"""An API class of the leaderboard as a toolset: each public method a tool.

A domain has one object, kept as JSON in the toolset's own table and changed in the hop's own transaction: read it under a lock,
run the plain Python method, write it back. No method knows of Motet.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from motet.chassis.canonical import compact
from motet.demo import apis
from motet.demo.toolsets.signature_schema import arguments_schema
from motet.tools import Context, Toolset

# json and not jsonb: it keeps the text as it is, with the order of keys (a directory's listing) and 100.0 apart from 100.
SCHEMA = """
CREATE TABLE IF NOT EXISTS instance (
    tenant text NOT NULL,
    domain text NOT NULL,
    state json NOT NULL,
    PRIMARY KEY (tenant, domain)
)
"""
READ = "SELECT state::text FROM instance WHERE tenant = %s AND domain = %s FOR UPDATE"
WRITE = """
INSERT INTO instance (tenant, domain, state) VALUES (%s, %s, %s)
ON CONFLICT (tenant, domain) DO UPDATE SET state = excluded.state
"""
RESULT_SCHEMA = {
    "type": ["object", "string"],
    "description": "What the function returns: an object as JSON, anything else as Python's text of it.",
}
INITIAL_CONFIG_SCHEMA = {
    "type": "object",
    "properties": {
        "initial_config": {
            "type": "string",
            "description": "A JSON object as text, because the order of its keys matters and canonical JSON sorts them.",
        }
    },
    "required": ["initial_config"],
    "additionalProperties": False,
}


def api_toolset(class_name: str) -> Toolset:
    """The toolset of one class: `load_scenario` and each public method, or pure functions if the class has no state."""
    name = apis.TOOLSETS[class_name]
    if class_name in apis.STATELESS:
        return _stateless(Toolset(name), class_name)
    toolset = Toolset(name, schema=SCHEMA)
    resource = f"{name}:{{domain}}"
    toolset.add(
        _loader(class_name),
        "transactional",
        writes=(resource,),
        name="load_scenario",
        arguments_schema=INITIAL_CONFIG_SCHEMA,
        result_schema={"type": "object"},
    )
    for function, signature in apis.functions(class_name).items():
        method = getattr(apis.api_class(class_name), function)
        toolset.add(
            _described(_on_instance(class_name, function), method),
            "transactional",
            writes=(resource,),
            name=function,
            arguments_schema=arguments_schema(class_name, method, signature),
            result_schema=RESULT_SCHEMA,
        )
    return toolset


def _stateless(toolset: Toolset, class_name: str) -> Toolset:
    for function, signature in apis.functions(class_name).items():
        method = getattr(apis.api_class(class_name), function)
        toolset.add(
            _described(_on_nothing(class_name, function), method),
            "pure",
            name=function,
            arguments_schema=arguments_schema(class_name, method, signature),
            result_schema=RESULT_SCHEMA,
        )
    return toolset


def _loader(class_name: str) -> Callable[..., Any]:
    def load_scenario(context: Context, initial_config: str) -> dict[str, Any]:
        """Puts the domain's object into the state that a scenario begins with, whatever it was before."""
        instance = apis.create(class_name, json.loads(initial_config))
        context.connection.execute(WRITE, (context.tenant, context.domain, compact(apis.dump(instance))))
        return {"loaded": class_name}

    return load_scenario


def _on_instance(class_name: str, function: str) -> Callable[..., Any]:
    def run(context: Context, **arguments: Any) -> Any:
        row = context.connection.execute(READ, (context.tenant, context.domain)).fetchone()
        before = None if row is None else str(row[0])
        # A domain that no scenario was loaded into begins in the class's default state, so that the tools can be tried out.
        instance = apis.create(class_name, {}) if before is None else apis.load(class_name, json.loads(before))
        answer = apis.call(instance, function, arguments)
        after = compact(apis.dump(instance))
        if after != before:
            context.connection.execute(WRITE, (context.tenant, context.domain, after))
        return answer

    return run


def _on_nothing(class_name: str, function: str) -> Callable[..., Any]:
    def run(**arguments: Any) -> Any:
        return apis.call(apis.create(class_name, {}), function, arguments)

    return run


def _described(function: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    function.__doc__ = inspect.getdoc(method)
    return function
