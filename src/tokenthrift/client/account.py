"""The account of one client: the one place where plan and money of a call meet.

`begin` makes the plan of a call, `settle` writes its record. Both are synchronous and do no I/O but
the ledger's; the clock, the stopwatch and the ids come from outside. Optimisation never loses a
call here: a body we cannot read goes out as it is, and a ledger that fails only warns.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from tokenthrift import wire
from tokenthrift.catalog import load_catalog
from tokenthrift.client.billing import Branches
from tokenthrift.client.recording import Settlement, record_of
from tokenthrift.compress import Memo
from tokenthrift.errors import NoCandidateError, TokenthriftError, WireError
from tokenthrift.ledger import CacheBranch, fingerprint_of
from tokenthrift.pipeline import Plan, plan
from tokenthrift.route import in_tool_loop
from tokenthrift.wire.openai_chat import OpenAIChat
