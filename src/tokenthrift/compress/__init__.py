"""Compression: segments, codecs, duplicates, relevance, selection, windows, epochs, tools.

Everything here is pure. Nothing decides about models or money.
"""

from tokenthrift.compress.lossless import Dedupe, Json
from tokenthrift.compress.page_stage import Html
from tokenthrift.compress.recall_tool import NOT_OFFERED, Offer, Recall, offered
from tokenthrift.compress.segments import join, split
from tokenthrift.compress.selecting import Select
from tokenthrift.compress.tool_list import TOOLS, Choose, Tools, fit_tools
from tokenthrift.compress.windows import Budget, Compaction, Memo, Rules, compress

__all__ = [
    "NOT_OFFERED",
    "TOOLS",
    "Budget",
    "Choose",
    "Compaction",
    "Dedupe",
    "Html",
    "Json",
    "Memo",
    "Offer",
    "Recall",
    "Rules",
    "Select",
    "Tools",
    "compress",
    "fit_tools",
    "join",
    "offered",
    "split",
]
