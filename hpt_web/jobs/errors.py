"""Errors of the jobs, named by what the caller should do; the doors (`api`, later `sagemaker`) map each once.

JobsError
├── NotFound     look again at the address: there is no such thing, or not for you
├── Refused      mend the document: every fault is listed with its field
├── NameTaken    choose another name
└── NotNow      the state does not allow it (any more)
"""

from tuning.errors import Fault


class JobsError(Exception):
    """Base of all errors that this app raises on purpose."""


class NotFound(JobsError):
    """Nothing of that name that this user may see."""


class NotNow(JobsError):
    """The job's or trial's state does not allow the action; the message says which state and why."""


class Refused(JobsError):
    """The document has faults; all of them are listed."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))


class NameTaken(Refused):
    """The name belongs to another job of the project."""
