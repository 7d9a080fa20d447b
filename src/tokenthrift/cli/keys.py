"""`tokenthrift keys`: API keys of the service: create, list, revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from pydantic import ValidationError
from rich.table import Table

from tokenthrift.cli.app import app
from tokenthrift.cli.options import JsonOption, console, print_json
from tokenthrift.report import formats, instant
from tokenthrift.serve.keys import ROOMS, KeyFile, Scope

if TYPE_CHECKING:
    from tokenthrift.serve.keys import ApiKey

KEY_FILE: Final = Path("tokenthrift-keys.db")

keys = typer.Typer(no_args_is_help=True, help="API keys of the service: create, list, revoke.")
app.add_typer(keys, name="keys")

FileOption = Annotated[Path, typer.Option("--keys", help="The file of API keys.")]


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Whose it is, or what it is for.")],
    *,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", "-p", help="Only these policies; repeatable.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Only these models, * for any text.")
    ] = None,
    room: Annotated[
        list[str] | None, typer.Option("--for", help=f"Only these: {', '.join(ROOMS)}.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="name=value, written into its records; limits go by it."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="After this long: 90d, 12h, or on a date: 2027-01-31.")
    ] = None,
    file: FileOption = KEY_FILE,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it; it is not kept, and cannot be had again."""
    try:
        scope = Scope.model_validate(
            {
                "policies": policy or None,
                "models": model or None,
                "rooms": room or None,
                "tags": dict(_pair(t) for t in tag or ()),
            }
        )
    except ValidationError as error:
        raise typer.BadParameter(f"--for takes {', '.join(ROOMS)}") from error
    until = None if expires is None else _until(expires, datetime.now(UTC))
    with KeyFile(file) as kept:
        token, made = kept.create_key(name, scope, expires_at=until)
    if as_json:
        print_json({"key": token, **made.model_dump(mode="json")})
        return
    typer.echo(token)
    typer.echo(
        f"{file}: key {made.key_id} for {formats.printable(name)}; shown this once", err=True
    )


@keys.command("list")
def keys_list(*, file: FileOption = KEY_FILE, as_json: JsonOption = False) -> None:
    """Show the keys there are, what they may do, and whether they still work."""
    now = datetime.now(UTC)
    with KeyFile(file, create=False) as kept:
        found = list(kept.listed())
    if as_json:
        print_json([{**k.model_dump(mode="json"), "state": k.state(now)} for k in found])
        return
    table = Table("key", "name", "state", "expires", "may")
    for key in found:
        until = "-" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}"
        name = formats.printable(key.name)
        table.add_row(key.key_id, name, key.state(now), until, formats.printable(_may(key)))
    console().print(table)


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="As `tokenthrift keys list` shows it.")],
    *,
    file: FileOption = KEY_FILE,
) -> None:
    """Refuse a key from now on; running services do so at their next request."""
    with KeyFile(file, create=False) as kept:
        key = kept.revoke(key_id)
    typer.echo(f"{file}: key {key.key_id} of {formats.printable(key.name)} is revoked")


def _may(key: ApiKey) -> str:
    """What a key may do, in words."""
    scope = key.scope
    said = [
        f"{word} {', '.join(values)}"
        for word, values in (
            ("policies", scope.policies),
            ("models", scope.models),
            ("for", scope.rooms),
        )
        if values is not None
    ]
    said += [f"{name}={value}" for name, value in scope.tags.items()]
    return "; ".join(said) or "everything"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = (p.strip() for p in text.partition("="))
    if not (name and equals and value) or "," in text:
        raise typer.BadParameter(f"expected name=value, got {text!r}", param_hint="--tag")
    return name, value


def _until(text: str, now: datetime) -> datetime:
    """A date, or an age to come."""
    try:
        at = instant(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from error
    return at if "-" in text else now + (now - at)
