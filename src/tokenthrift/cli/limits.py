"""`tokenthrift limits`: how full the limits of a policy are, and what of them expired unused."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenthrift.cli.app import app
from tokenthrift.cli.options import JsonOption, console, print_json
from tokenthrift.errors import LimitStoreError
from tokenthrift.limits import open_limits, usage
from tokenthrift.limits.windows import PAST_WINDOWS
from tokenthrift.policy import load_policy
from tokenthrift.report.limits_view import limits_json, limits_view

if TYPE_CHECKING:
    from tokenthrift.limits import AccountUse
    from tokenthrift.policy import Policy


@app.command("limits")
def limits_command(
    policy: Annotated[str, typer.Argument(help="A policy file, or a shipped policy's name.")],
    *,
    store: Annotated[
        Path | None, typer.Option(help="The store, where the policy names none (leases.store).")
    ] = None,
    past: Annotated[
        int, typer.Option(min=0, max=PAST_WINDOWS, help="How many windows that are over.")
    ] = PAST_WINDOWS,
    as_json: JsonOption = False,
) -> None:
    """Show how full the limits of a policy are, for each account, and what expired unused."""
    rules = load_policy(policy)
    found = limit_uses(rules, store, past)
    if not rules.limits:
        typer.echo(f"{rules.source}: no limits")
    elif as_json:
        print_json(limits_json(found))
    elif not found:
        typer.echo(f"{store or rules.limits_store}: nothing counted yet")
    else:
        console().print(limits_view(found))


def limit_uses(
    rules: Policy, store: Path | None = None, past: int = PAST_WINDOWS
) -> list[AccountUse]:
    """How full the limits of a policy are; nothing where it has none.

    Raises:
        LimitStoreError: they are counted in memory, or their store cannot be read.
    """
    where = store or rules.limits_store
    if not rules.limits:
        return []
    if where is None:
        raise LimitStoreError(
            f"{rules.source}: limits are counted in the memory of each process; name a file as "
            "leases.store in the policy to see them from outside"
        )
    with closing(open_limits(where, create=False)) as kept:
        return usage(rules.limits, kept, datetime.now(UTC), past)
