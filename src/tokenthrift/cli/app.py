"""The command line itself: the application that the rooms hang their commands on, and its errors.

Faults of the user are one line on stderr and exit code 2; anything else keeps its traceback.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tokenthrift.errors import TokenthriftError
from tokenthrift.report import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE_ERROR: Final = 2

app = typer.Typer(
    name="tokenthrift",
    help="Make LLM calls cheaper, and see to the nano-dollar what that saved.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: instead of the process's own.

    Raises:
        SystemExit: always; 0 when all went well, 2 for a fault of the user.
    """
    try:
        app(args=None if arguments is None else list(arguments))
    except TokenthriftError as error:
        typer.echo(f"tokenthrift: {formats.printable(str(error))}", err=True)
        raise SystemExit(USAGE_ERROR) from error


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"tokenthrift {version('tokenthrift')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass
