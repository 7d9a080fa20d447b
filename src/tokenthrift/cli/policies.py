"""`tokenthrift policy`: check, schema, explain, list."""

from __future__ import annotations

from typing import Annotated

import typer

from tokenthrift.catalog import load_catalog
from tokenthrift.cli.app import app
from tokenthrift.cli.options import JsonOption, console, print_json
from tokenthrift.policy import json_schema, load_policy, shipped_policies
from tokenthrift.report.policy_words import policies_view, policy_json, policy_view

policies = typer.Typer(no_args_is_help=True, help="Look at policies: check, schema, explain, list.")
app.add_typer(policies, name="policy")

PolicyArgument = Annotated[str, typer.Argument(help="A policy file, or a shipped policy's name.")]


@policies.command("check")
def policy_check(
    given: Annotated[list[str], typer.Argument(metavar="POLICY...", help="Files or names.")],
) -> None:
    """Say whether policies are valid; exit code 2 at the first that is not."""
    for policy in given:
        _check_policy(policy)


def _check_policy(policy: str) -> None:
    found = load_policy(policy)
    catalog = load_catalog(found.cards_path)
    wanted = [c.model for c in found.routing.candidates]
    unknown = [m for m in (*wanted, found.routing.baseline) if m and catalog.get(m) is None]
    for name in dict.fromkeys(unknown):
        typer.echo(f"note: no model card for {name!r}, so its price is not known", err=True)
    stages = ", ".join(str(getattr(s, "name", s)) for s in found.stages) or "none"
    typer.echo(f"{found.source}: valid; stages: {stages}; digest {found.digest}")


@policies.command("schema")
def policy_schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    print_json(json_schema())


@policies.command("explain")
def policy_explain(policy: PolicyArgument, as_json: JsonOption = False) -> None:
    """Say in words what a policy does."""
    found = load_policy(policy)
    if as_json:
        print_json(policy_json(found))
    else:
        console().print(policy_view(found))


@policies.command("list")
def policy_list(as_json: JsonOption = False) -> None:
    """List the policies that come with the package."""
    found = [load_policy(path) for path in shipped_policies().values()]
    if as_json:
        print_json([{"name": p.name, "description": p.description} for p in found])
    else:
        console().print(policies_view(found))
