"""The engine: search spaces, strategies, early stopping, metrics, warm start. Plain Python; knows no web framework.

Everything here is a function of stored history, with the random generator seeded by the caller: the same arguments give
the same answer in any process, at any time.
"""
