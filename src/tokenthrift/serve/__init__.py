"""Servers: the HTTP service and the simulated provider that tests and demonstrations run against.

Nothing is imported here: servers need the extra ``serve``, and only who starts one pays for it.
"""
