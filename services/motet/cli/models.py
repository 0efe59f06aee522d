"""`motet models`: a model endpoint that answers from a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Models: an endpoint that answers from a recording.")


@app.command("serve")
def serve_recording(
    file: Annotated[Path, typer.Argument(help="A recording: answers in order, by who speaks.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="A port of 127.0.0.1; 0 takes one that is free.")] = 0,
) -> None:
    """Serves an OpenAI-compatible endpoint that answers from a recording, until Ctrl-C. No model is asked, and no network is needed."""
    from motet.models.recorded import RecordedModel, read  # noqa: PLC0415

    model = RecordedModel(read(file).answer_to, port)
    typer.echo(f"OPENAI_BASE_URL={model.url} OPENAI_API_KEY=recorded")
    with model.running():
        model.wait()
