"""`tokenthrift serve`: the service, in the foreground."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from tokenthrift.cli.app import app
from tokenthrift.cli.keys import KEY_FILE
from tokenthrift.cli.report import LEDGER_FILE
from tokenthrift.serve.running import Service
from tokenthrift.serve.settings import MIB, Settings, upstreams_of


@app.command()
def serve(
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            "-p",
            help="A policy file, or the name of a shipped policy; repeatable, the first is the "
            "default.",
        ),
    ] = None,
    ledger: Annotated[Path, typer.Option(help="The SQLite ledger.")] = LEDGER_FILE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            help="A provider: NAME=URL or NAME=URL,speaks=openai|anthropic; repeatable. Its key is "
            "NAME_API_KEY, or in the file NAME_API_KEY_FILE. Without any: OpenAI and Anthropic."
        ),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help=f"The file of API keys; {KEY_FILE} if that is there.")
    ] = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Let everybody in who reaches the port.")
    ] = False,
    max_body_mib: Annotated[int, typer.Option(min=1, help="Largest request, in MiB.")] = 32,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that a provider may say nothing at all.")
    ] = 600.0,
    drain: Annotated[
        float, typer.Option(min=0, help="Seconds that calls under way have when it is stopped.")
    ] = 30.0,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every call (no text).")] = False,
) -> None:
    """Serve a base URL that makes LLM calls cheaper: OpenAI's and Anthropic's APIs, relayed."""
    if keys is None and not without_keys and KEY_FILE.exists():
        keys = KEY_FILE
    settings = Settings(
        policies=tuple(policy or ["balanced"]),
        ledger=str(ledger),
        keys=None if keys is None else str(keys),
        open_to_all=without_keys,
        host=host,
        port=port,
        upstreams=upstreams_of(upstream or [], os.environ),
        max_body_bytes=max_body_mib * MIB,
        upstream_timeout_s=timeout,
        drain_s=drain,
    )
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    Service(settings).run()
