"""Garbage collection in processes that run for months: what they have loaded stays, and is looked through no more.

A process of the service holds a hundred thousand objects that never go. Python looks through them again and again,
which was up to a tenth of what a short trial cost the worker and the follower.
"""

import gc

NEW = 20_000  # objects after which the young ones are looked through; Python's own is 700
ROUNDS = 20  # of those, after which the older are, and as many of these until all are


def spare_what_is_loaded() -> None:
    """To be called once, when the process has imported what it needs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW, ROUNDS, ROUNDS)
