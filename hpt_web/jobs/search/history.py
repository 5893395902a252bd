"""A job's rows as the engine sees them. Any process can build this at any moment; nothing of it is kept."""

from __future__ import annotations

from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.queries import curves_of
from tuning.history import Observation
from tuning.states import TrialState


def own_trials(job: TuningJob, *, curves: bool = False) -> tuple[Observation, ...]:
    """The job's trials by number, with the curves of the objective if they are asked for."""
    by_number = curves_of(job, job.metric) if curves else {}
    rows = job.trials.order_by("number").values_list("number", "hyperparameters", "state", "objective", "promotions")
    return tuple(
        Observation(
            number=number,
            config=hyperparameters,
            state=TrialState(state),
            value=objective,
            curve=tuple(zip(by_number[number]["steps"], by_number[number]["values"], strict=True))
            if number in by_number
            else (),
            promotions=promotions,
        )
        for number, hyperparameters, state, objective, promotions in rows
    )
