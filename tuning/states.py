"""The states of jobs and trials, and the only moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    STOPPED = "Stopped"
    FAILED = "Failed"

    @property
    def terminal(self) -> bool:
        return not JOB_MOVES[self]


class TrialState(StrEnum):
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    EARLY_STOPPED = "EarlyStopped"
    STOPPED = "Stopped"
    FAILED = "Failed"
    LOST = "Lost"

    @property
    def terminal(self) -> bool:
        return not TRIAL_MOVES[self]


# A paused job starts nothing; what still runs of it may go to its end, and end the job.
# A job that reaches one of its own limits while trials run goes through Stopping as well, and from there to the state
# that the limit means: Completed (time is up), Failed (too many failures) or Stopped (a person stopped it).
JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset(
        {JobState.RUNNING, JobState.PAUSED, JobState.STOPPING, JobState.STOPPED, JobState.FAILED}
    ),
    JobState.RUNNING: frozenset(
        {JobState.PAUSED, JobState.STOPPING, JobState.COMPLETED, JobState.STOPPED, JobState.FAILED}
    ),
    JobState.PAUSED: frozenset(
        {JobState.RUNNING, JobState.STOPPING, JobState.COMPLETED, JobState.STOPPED, JobState.FAILED}
    ),
    JobState.STOPPING: frozenset({JobState.COMPLETED, JobState.STOPPED, JobState.FAILED}),
    JobState.COMPLETED: frozenset(),
    JobState.STOPPED: frozenset(),
    JobState.FAILED: frozenset(),
}

# A trial whose attempt vanished, was preempted or was held with its job goes back to Queued while attempts remain, else
# to Lost. A trial that is told to stop may still end in its own way before the signal arrives: the end that really
# happened is recorded. A paused trial holds no capacity; its scheduler promotes it (Queued again), or it ends as
# EarlyStopped.
TRIAL_MOVES: Mapping[TrialState, frozenset[TrialState]] = {
    TrialState.QUEUED: frozenset({TrialState.STARTING, TrialState.STOPPED, TrialState.FAILED, TrialState.LOST}),
    TrialState.STARTING: frozenset(
        {TrialState.RUNNING, TrialState.STOPPING, TrialState.FAILED, TrialState.QUEUED, TrialState.LOST}
    ),
    TrialState.RUNNING: frozenset(
        {TrialState.STOPPING, TrialState.COMPLETED, TrialState.FAILED, TrialState.QUEUED, TrialState.LOST}
    ),
    TrialState.STOPPING: frozenset(
        {
            TrialState.COMPLETED,
            TrialState.PAUSED,
            TrialState.EARLY_STOPPED,
            TrialState.STOPPED,
            TrialState.FAILED,
            TrialState.QUEUED,
            TrialState.LOST,
        }
    ),
    TrialState.PAUSED: frozenset({TrialState.QUEUED, TrialState.EARLY_STOPPED, TrialState.STOPPED}),
    TrialState.COMPLETED: frozenset(),
    TrialState.EARLY_STOPPED: frozenset(),
    TrialState.STOPPED: frozenset(),
    TrialState.FAILED: frozenset(),
    TrialState.LOST: frozenset(),
}


# What is over stays over, unless a person has it go on. These moves are apart from the tables: nothing that the service
# decides, and nothing that comes late, takes anything back.
JOBS_REOPENED = frozenset({JobState.COMPLETED, JobState.STOPPED, JobState.FAILED})  # to Running
TRIALS_REOPENED = frozenset({TrialState.STOPPED, TrialState.FAILED, TrialState.LOST})  # to Queued, or Paused as before


class Goal(StrEnum):
    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> int:
        """+1 or -1, such that ``sign * value`` is always to be made large."""
        return 1 if self is Goal.MAXIMIZE else -1

    def better(self, a: float, b: float) -> bool:
        """True if value ``a`` is strictly better than value ``b``."""
        return self.sign * a > self.sign * b
