"""Where trials run. Each backend is one implementation of the contract; only this package knows processes."""

from tuning.backends.contract import Backend, LaunchSpec, Limits, Phase, Status
from tuning.backends.usage import Usage

__all__ = ["Backend", "LaunchSpec", "Limits", "Phase", "Status", "Usage"]
