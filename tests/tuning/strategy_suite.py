"""The contract of a strategy as tests; it stands in ``tuning.testing``, where authors of other packages find it."""

from tuning.testing.strategy_suite import *  # noqa: F403
