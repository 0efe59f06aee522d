"""Personal values: what is marked is sealed, what is sealed is opened with its key alone, and nothing that a tool says gives it away."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, StringConstraints
from typing_extensions import TypedDict

from motet.adapters import offered
from motet.chassis.errors import ConfigurationError
from motet.personal import Personal
from motet.personal.marks import NotAsDeclared, filled, marks, plain, sealed
from motet.personal.sealing import Key, KeyErased, NoSuchKey, Sealer, opened, seal, unseal
from motet.personal.text import BEGIN, HIDDEN, MARK, is_sealed
from motet.plan.contracts import Contract
from motet.records import Meta
from motet.tools import Context, Running, ToolFailed, Toolset

META = Meta("e", "c", "x", "acme", "main", 1, 1_000_000, None)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@dataclass
class InMemory:
    """Keys, for tests of what is done with them."""

    keys: dict[tuple[str, str], Key] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)

    def of(self, tenant: str, subject: str) -> Key:
        """As the table does."""
        if subject in self.erased:
            raise KeyErased(f"subject {subject} was erased")
        return self.keys.setdefault((tenant, subject), Key(secrets.token_hex(16), secrets.token_bytes(32)))

    def named(self, tenant: str, key_id: str) -> Key:
        """As the table does."""
        for (owner, subject), key in self.keys.items():
            if owner == tenant and key.key_id == key_id:
                return self.of(tenant, subject)
        raise NoSuchKey(f"no key {key_id}")


class Home(BaseModel):
    """Where somebody lives."""

    town: str
    street: Annotated[str, Personal("guest:{guest}")]


class Found(TypedDict):
    """A guest's mail."""

    known: bool
    mail: Annotated[str, Personal("guest:{guest}")]


def toolset() -> Toolset:
    """Tools with personal values at every kind of place."""
    tools = Toolset("desk")

    @tools.tool(effect="pure")
    def look_up(
        guest: str,
        name: Annotated[str, Personal("guest:{guest}")],
        homes: list[Home],
        age: Annotated[int, Personal("guest:{guest}")] | None = None,
    ) -> Found:
        """Looks a guest up."""
        if age == 7:
            raise ToolFailed(f"{name} of {homes[0].street} is a child", "CHILD")
        return {"known": guest == "42" and (age is None or age > 17), "mail": f"{name}@{homes[0].town}"}

    return tools


ARGUMENTS: dict[str, Any] = {
    "guest": "42",
    "name": "Ada Lovelace",
    "age": 36,
    "homes": [{"town": "London", "street": "12 St James's Square"}, {"town": "Ockham", "street": "The Park"}],
}


def schema_of(tools: Toolset) -> Any:
    """The arguments' schema of the only tool."""
    return json.loads(next(iter(tools.tools)).contract_fields().arguments_schema)


def sealing(keys: InMemory) -> Any:
    """What a client seals with."""
    return lambda subject, value: seal(keys.of("acme", filled(subject, ARGUMENTS)), "acme", value)


def test_everything_that_is_marked_is_sealed_and_nothing_else() -> None:
    """At any depth; the schema that is published takes sealed text there and refuses the value, without repeating it."""
    tools, keys = toolset(), InMemory()
    told = sealed(schema_of(tools), ARGUMENTS, sealing(keys))
    assert [told["guest"], told["homes"][0]["town"], told["homes"][1]["town"]] == ["42", "London", "Ockham"]
    assert all(map(is_sealed, (told["name"], told["age"], told["homes"][0]["street"], told["homes"][1]["street"])))
    assert opened(told, lambda text: unseal(keys, "acme", text)) == ARGUMENTS
    assert sealed(schema_of(tools), told, sealing(keys)) == told
    contract = Contract(next(iter(tools.tools)).contract_fields().record(META))
    assert not list(contract.faults(told))
    refused = " ".join(contract.faults(ARGUMENTS))
    assert "/name" in refused
    assert "Lovelace" not in refused
    assert "Square" not in refused


def test_a_tool_is_given_the_values_and_its_result_is_sealed() -> None:
    """What it raises says nothing of what it was given."""
    tools, keys = toolset(), InMemory()
    tool = next(iter(tools.tools))
    told = sealed(schema_of(tools), ARGUMENTS, sealing(keys))

    def run(arguments: Any) -> tuple[Running, Any]:
        running = Running(sealer=Sealer(keys, "acme"))
        return running, json.loads(tool.run(json.dumps(arguments), Context.for_testing(running=running)))

    _, result = run(told)
    assert result["known"] is True
    assert unseal(keys, "acme", result["mail"]) == "Ada Lovelace@London"
    # The same inputs, the same bytes: nothing random is in sealed text.
    assert run(told)[1] == result
    running = Running(sealer=Sealer(keys, "acme"))
    child = sealed(schema_of(tools), {**ARGUMENTS, "age": 7}, sealing(keys))
    with pytest.raises(ToolFailed) as caught:
        tool.run(json.dumps(child), Context.for_testing(running=running))
    said = running.sealer.hidden(caught.value.message)
    assert said == f"{HIDDEN} of {HIDDEN} is a child"
    keys.erased.add("guest:42")
    with pytest.raises(ToolFailed) as gone:
        run(told)
    assert gone.value.code == "SUBJECT_ERASED"


def test_who_has_no_keys_opens_nothing() -> None:
    """Another tenant, a damaged text, a process without keys."""
    keys = InMemory()
    text = seal(keys.of("acme", "guest:42"), "acme", "Ada")
    assert unseal(keys, "acme", text) == "Ada"
    keys.keys["other", "guest:42"] = keys.keys["acme", "guest:42"]
    for tenant, wrong in (
        ("other", text),
        ("nobody", text),
        ("acme", text[:-2] + ("AA" if text[-2:] != "AA" else "BB")),
    ):
        with pytest.raises(NoSuchKey):
            unseal(keys, tenant, wrong)
    with pytest.raises(NoSuchKey, match="MOTET_SUBJECT_KEYS_URL"):
        opened({"a": [text]}, Sealer(None, "acme").unseal)
    assert "secret" not in repr(keys.keys["acme", "guest:42"])


@given(VALUES, VALUES)
def test_sealed_text_is_one_of_its_value(one: Any, other: Any) -> None:
    """Equal values have equal texts, others have others, and each is opened to itself."""
    key = Key("0" * 32, b"k" * 32)
    keys = InMemory({("acme", "x"): key})
    first, second = seal(key, "acme", one), seal(key, "acme", other)
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (first == second) == same
    assert unseal(keys, "acme", first) == one
    assert first.startswith(BEGIN)


@given(st.text(min_size=3, max_size=60), st.text(max_size=60), st.text(max_size=60), st.integers(0, 30))
def test_no_piece_of_a_personal_text_is_left(secret: str, before: str, after: str, cut: int) -> None:
    """Not the whole of it, also as Python or JSON writes it, nor a piece of eight characters where a message was cut off."""
    assume(secret not in before + after and secret not in HIDDEN)
    keys = InMemory()
    sealer = Sealer(keys, "acme")
    sealer.unseal(sealer.seal("guest:42", {"name": [secret]}))
    for said in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        hidden = sealer.hidden(f"{before} {said} {after}")
        assert said not in hidden or len(said) < 8
    rest = sealer.hidden(secret[cut:] if len(secret) - cut >= 8 else "")
    assert rest in ("", HIDDEN)


def test_a_model_is_shown_what_it_must_write() -> None:
    """Not that it is sealed: the plain type, with what was said of it."""
    contract = next(iter(toolset().tools)).contract_fields()
    (shown,) = offered([contract])
    assert MARK not in json.dumps(shown.parameters)
    assert shown.parameters["properties"]["name"] == {"type": "string"}
    assert shown.parameters["properties"]["age"]["anyOf"][0] == {"type": "integer"}
    assert [mark["subject"] for mark in marks(json.loads(contract.arguments_schema))] == ["guest:{guest}"] * 3
    assert plain(shown.parameters) == shown.parameters


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("everybody", "names no argument"),
        ("guest:{guests}", "needs an argument 'guests'"),
        ("guest:{nick}", "needs an argument 'nick'"),
        ("guest:{name}", "is personal itself"),
    ],
)
def test_a_subject_that_means_nothing_is_refused(subject: str, why: str) -> None:
    """When the tool is declared."""
    tools = Toolset("desk")

    def look_up(guest: str, name: Annotated[str, Personal("guest:{guest}")], mail: str, nick: str = "") -> None:
        """Looks a guest up."""

    look_up.__annotations__["mail"] = Annotated[str, Personal(subject)]
    with pytest.raises(ConfigurationError, match=why):
        tools.tool(effect="pure")(look_up)


def test_a_mark_where_no_value_is_followed_is_refused() -> None:
    """A schema of the author's own may have keywords below which a value would be sent as it is."""
    tools = Toolset("desk")
    mark = {"type": "string", "pattern": "^sealed", MARK: {"subject": "guest:{guest}", "schema": {"type": "string"}}}
    schema = {
        "type": "object",
        "properties": {"guest": {"type": "string"}, "name": {"if": {"type": "string"}, "then": mark}},
        "required": ["guest", "name"],
        "additionalProperties": False,
    }
    with pytest.raises(ConfigurationError, match="below a then is personal"):

        @tools.tool(effect="pure", arguments_schema=schema)
        def look_up(guest: str, name: str) -> None:
            """Looks a guest up."""


def test_a_value_that_is_not_of_its_type_is_refused_without_being_said() -> None:
    """And so is one whose subject only a result tells."""
    schema = schema_of(toolset())
    for wrong in ({**ARGUMENTS, "name": ["Ada"]}, {**ARGUMENTS, "age": "thirty-six"}):
        with pytest.raises(NotAsDeclared) as caught:
            sealed(schema, wrong, sealing(InMemory()))
        assert "Ada" not in str(caught.value)
        assert "thirty" not in str(caught.value)
    reference = {"$result": {"call": "c0"}}
    assert sealed(schema, {**ARGUMENTS, "name": reference}, sealing(InMemory()))["name"] == reference
    with pytest.raises(NotAsDeclared, match="must be known"):
        filled("guest:{guest}", {"guest": reference})


class Plain(BaseModel):
    """One without anything personal."""

    kind: str


class Mailed(BaseModel):
    """One with."""

    kind: str
    mail: Annotated[str, Personal("guest:{guest}")]


@pytest.mark.parametrize(
    "hint",
    [
        Plain | Mailed,
        str | Annotated[str, Personal("guest:{guest}")],
        Annotated[int, Personal("guest:{guest}")] | float,
        dict[Annotated[str, StringConstraints(pattern="^a")], Mailed],
    ],
)
def test_a_value_that_could_pass_by_is_refused(hint: Any) -> None:
    """When the tool is declared: a type beside it that takes the value as it is, and a place where it is not looked for."""
    tools = Toolset("desk")

    def look_up(guest: str, who: str) -> None:
        """Looks a guest up."""

    look_up.__annotations__["who"] = hint
    with pytest.raises(ConfigurationError, match="personal"):
        tools.tool(effect="pure")(look_up)


def test_what_is_whole_or_may_be_absent_is_fine() -> None:
    """A union that is marked as one, and one with nothing else of its type; also where a result fills it in."""
    tools = Toolset("desk")

    @tools.tool(effect="pure")
    def look_up(
        guest: str,
        who: Annotated[Plain | Mailed, Personal("guest:{guest}")],
        name: Annotated[str, Personal("guest:{guest}")] | int | None = None,
    ) -> str:
        """Looks a guest up."""
        return f"{guest} {type(who).__name__} {name}"

    keys = InMemory()
    given = {"guest": "42", "who": {"kind": "a", "mail": "ada@x"}, "name": "Ada"}
    told = sealed(schema_of(tools), given, sealing(keys))
    assert is_sealed(told["who"])
    assert is_sealed(told["name"])
    assert sealed(schema_of(tools), {**given, "name": 7}, sealing(keys))["name"] == 7
    reference = {"$result": {"call": "c0", "pointer": "/name"}}
    assert sealed(schema_of(tools), {**given, "name": reference}, sealing(keys))["name"] == reference


def test_sealed_text_is_opened_where_it_is_marked_and_nowhere_else() -> None:
    """A tool that says back what it is given would put it into the log."""
    tools, keys = Toolset("desk"), InMemory()

    @tools.tool(effect="pure")
    def echo(guest: str, text: str, name: Annotated[str, Personal("guest:{guest}")]) -> str:
        """Says it back."""
        return f"{guest} {text} {len(name)}"

    told = sealed(schema_of(tools), {"guest": "42", "text": "t", "name": "Ada"}, sealing(keys))
    moved = {**told, "text": told["name"]}
    context = Context.for_testing(running=Running(sealer=Sealer(keys, "acme")))
    assert json.loads(next(iter(tools.tools)).run(json.dumps(moved), context)) == f"42 {told['name']} 3"


def test_progress_and_names_of_resources_say_nothing_of_it() -> None:
    """Progress stays JSON, numbers included; a resource that is named by a personal value is refused, for its name stands in tables."""
    said: list[str] = []
    sealer = Sealer(InMemory(), "acme")
    sealer.seal("guest:42", ["Ada Lovelace", 1234])
    running = Running(heard=said.append, sealer=sealer)
    running.beat({"rows": 1234, "of": "Ada Lovelace", "left": 7})
    assert [json.loads(one) for one in said] == [{"rows": HIDDEN, "of": HIDDEN, "left": 7}]
    with pytest.raises(ToolFailed) as caught:
        Context.for_testing(running=running).expect("guest:Ada Lovelace")
    assert caught.value.code == "PERSONAL_NAME"
    assert "Ada" not in str(caught.value)
