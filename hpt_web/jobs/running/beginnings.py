"""New trials as they begin: they, why they were chosen, their first attempts and what tells it are one statement.

It is the last one of its transaction, as it numbers events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpt_web.jobs import rows
from hpt_web.jobs.events import Entry, Telling, append
from hpt_web.jobs.models import Attempt, Decision, Trial

_ITS_TRIAL = "(SELECT id FROM trial WHERE number = new.trial_id)"


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is to be written: of each of the trials why it was chosen, and its attempt."""

    trials: Sequence[Trial] = ()
    why: Sequence[Decision] = ()
    attempts: Sequence[Attempt] = ()

    def write(self, job: int, entries: Sequence[Entry]) -> None:
        """Write it with the `entries` that tell it, and others. What the database makes is the rows' afterwards."""
        if not self.trials:
            append(job, entries)
            return
        numbers = [trial.number for trial in self.trials]
        trials = rows.Insertion(self.trials)
        why = rows.Insertion(self.why, {"trial": (_ITS_TRIAL, numbers)})
        attempts = rows.Insertion(self.attempts, {"trial": (_ITS_TRIAL, numbers)})
        telling = Telling(job, entries, given="attempt")
        sql = f"""
            WITH trial AS ({trials.sql} RETURNING *), why AS ({why.sql}), attempt AS ({attempts.sql} RETURNING *),
            {telling.parts}
            SELECT {trials.answers("trial")}, {attempts.answers("attempt")}, {telling.ANSWER}
            FROM taken, attempt JOIN trial ON trial.id = attempt.trial_id ORDER BY trial.number
        """  # noqa: S608
        arguments = [*trials.arguments, *why.arguments, *attempts.arguments, *telling.arguments]
        told: Sequence[Any] = ()
        for trial, attempt, answer in zip(self.trials, self.attempts, rows.select(sql, *arguments), strict=True):
            told = attempts.take(attempt, trials.take(trial, answer))
            attempt.trial = trial  # by its key
        telling.done(*told)
