"""Compression: segments, codecs, duplicates, relevance, selection, windows and epochs.

Also what is done to a request before that: secrets, tools. Everything here is pure. Nothing
decides about models or money.
"""

from tokenthrift.compress.digests import Digest
from tokenthrift.compress.eliding import Elide
from tokenthrift.compress.lossless import Json, Log, Search
from tokenthrift.compress.page_stage import Html
from tokenthrift.compress.paying import CachePrices
from tokenthrift.compress.recall_tool import NOT_OFFERED, Offer, Recall, offered
from tokenthrift.compress.redaction import REDACT, Redact, Redacted, redact
from tokenthrift.compress.rereads import Dedupe
from tokenthrift.compress.rules import Budget, Compaction, Rules
from tokenthrift.compress.segments import join, split
from tokenthrift.compress.select_stage import ELSEWHERE, Select
from tokenthrift.compress.tool_list import TOOLS, Choose, Tools, fit_tools
from tokenthrift.compress.windows import Memo, compress

__all__ = [
    "ELSEWHERE",
    "NOT_OFFERED",
    "REDACT",
    "TOOLS",
    "Budget",
    "CachePrices",
    "Choose",
    "Compaction",
    "Dedupe",
    "Digest",
    "Elide",
    "Html",
    "Json",
    "Log",
    "Memo",
    "Offer",
    "Recall",
    "Redact",
    "Redacted",
    "Rules",
    "Search",
    "Select",
    "Tools",
    "compress",
    "fit_tools",
    "join",
    "offered",
    "redact",
    "split",
]
