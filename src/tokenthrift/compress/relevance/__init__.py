"""Relevance: how much each unit of a text has to do with a question.

A ladder of scorers: words (`lexical`), a table of vectors, models. Scores only; nothing is chosen
here.
"""
