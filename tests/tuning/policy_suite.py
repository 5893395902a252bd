"""The contract of a policy as tests; it stands in ``tuning.testing``, where authors of other packages find it."""

from tuning.testing.policy_suite import *  # noqa: F403
