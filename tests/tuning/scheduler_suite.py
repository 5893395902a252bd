"""The contract of a scheduler as tests; it stands in ``tuning.testing``, where authors of other packages find it."""

from tuning.testing.scheduler_suite import *  # noqa: F403
