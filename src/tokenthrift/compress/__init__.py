"""Compression: segments, codecs, duplicates, relevance, selection, windows and epochs.

Everything here is pure. Nothing decides about models or money.
"""

from tokenthrift.compress.lossless import Dedupe, Json
from tokenthrift.compress.page_stage import Html
from tokenthrift.compress.segments import join, split
from tokenthrift.compress.selecting import Select
from tokenthrift.compress.windows import Budget, Compaction, Memo, Rules, compress

__all__ = [
    "Budget",
    "Compaction",
    "Dedupe",
    "Html",
    "Json",
    "Memo",
    "Rules",
    "Select",
    "compress",
    "join",
    "split",
]
