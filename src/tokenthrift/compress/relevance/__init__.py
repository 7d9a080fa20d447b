"""Relevance: how much each unit of a text has to do with a question.

A ladder of scorers behind one interface: words (`lexical`), a table of vectors (`vectors`), models.
Scores only; nothing is chosen here.
"""

from tokenthrift.compress.relevance.material import Units
from tokenthrift.compress.relevance.reasons import Reason
from tokenthrift.compress.relevance.rungs import RungName, explain, score

__all__ = ["Reason", "RungName", "Units", "explain", "score"]
