"""`motet asyncapi`: all topics as an AsyncAPI document for programs, and as a page for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from motet.catalog.asyncapi import document
from motet.catalog.asyncapi_page import page
from motet.chassis.errors import ConfigurationError
from motet.cli.output import console


class Dumper(yaml.SafeDumper):
    """Writes what every YAML reader reads alike."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the library's own signature
        """Values that come twice are written twice: not every AsyncAPI tool follows YAML's anchors."""
        return True


def quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Text. Where it begins like a number it is quoted: 95e17 is text in YAML 1.1, and a number in YAML 1.2."""
    style = '"' if text[:1].isdigit() or text[:1] in ("+", "-", ".") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


Dumper.add_representer(str, quoted)


def as_yaml(content: dict[str, Any]) -> str:
    """A document as YAML, its keys in their order."""
    written: str = yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
    return written


def as_json(content: dict[str, Any]) -> str:
    """A document as JSON, its keys in their order."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


WRITERS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {".yaml": as_yaml, ".yml": as_yaml, ".json": as_json}


def asyncapi(
    output: Annotated[
        Path | None, typer.Option("--output", help="Writes the document: YAML or JSON, as the file's suffix says.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Writes a page for people, one file.")] = None,
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", help="Kafka's bootstrap servers, host:port,…; else a variable.")
    ] = None,
) -> None:
    """All topics as an AsyncAPI 3 document: keys, records, headers, who sends and who receives. It asks no server."""
    writer = WRITERS.get(output.suffix.lower() if output else ".yaml")
    if writer is None:
        raise ConfigurationError(f"--output {output}: the suffix says the format, and there are {', '.join(WRITERS)}")
    content = document(bootstrap)
    if output is None and html is None:
        typer.echo(writer(content), nl=False)
    if output is not None:
        write(output, writer(content), content)
    if html is not None:
        write(html, page(content), content)


def write(target: Path, text: str, content: dict[str, Any]) -> None:
    """Writes a file, and says so."""
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from error
    channels = content["channels"].values()
    records = {name for one in channels for name in one["messages"]}
    console.print(
        f"{target}: {len(channels)} topics, {len(records)} record types, {len(content['operations'])} operations",
        markup=False,
        soft_wrap=True,
    )
