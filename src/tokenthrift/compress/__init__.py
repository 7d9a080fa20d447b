"""Compression: segments, codecs, duplicates, relevance, selection, windows and epochs.

Everything here is pure. Nothing decides about models or money.
"""

from tokenthrift.compress.lossless import Json, Log
from tokenthrift.compress.page_stage import Html
from tokenthrift.compress.recall_tool import NOT_OFFERED, Offer, Recall, offered
from tokenthrift.compress.rereads import Dedupe
from tokenthrift.compress.segments import join, split
from tokenthrift.compress.selecting import Select
from tokenthrift.compress.windows import Budget, Compaction, Memo, Rules, compress

__all__ = [
    "NOT_OFFERED",
    "Budget",
    "Compaction",
    "Dedupe",
    "Html",
    "Json",
    "Log",
    "Memo",
    "Offer",
    "Recall",
    "Rules",
    "Select",
    "compress",
    "join",
    "offered",
    "split",
]
