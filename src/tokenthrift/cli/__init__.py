"""The command line: what a policy would do and save, and what calls did cost.

Thin: each room reads arguments, calls the library, prints. Importing a room hangs its commands on
the application.
"""

from tokenthrift.cli import (
    adding,
    calibrate,
    feedback,
    keys,
    ledger,
    limits,
    models,
    plan,
    policies,
    replay,
    report,
    serve,
)
from tokenthrift.cli.app import app, main

__all__ = [
    "adding",
    "app",
    "calibrate",
    "feedback",
    "keys",
    "ledger",
    "limits",
    "main",
    "models",
    "plan",
    "policies",
    "replay",
    "report",
    "serve",
]
