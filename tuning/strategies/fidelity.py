"""What whole trials would give, learnt from trials of any length.

One Gaussian process over hyperparameters and resource, after Kandasamy et al. (Multi-fidelity Bayesian optimisation
with continuous approximations, 2017): the value of a trial at each rung that it came to is an observation, and the
logarithm of the resource is one more feature with a length scale of its own. So early values count for as much as they
have told about later ones, on this job.

Symbols and shapes
    r, R      resource of an observation, and of a whole trial
    t         log(r / r_min) / log(R / r_min), in [0, 1]
    D         feature columns of the space; the model has D + 1, t being the last
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tuning import rungs
from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.space import SearchSpace
from tuning.states import TrialState
from tuning.strategies import gp
from tuning.strategies.surrogate import ANCHORS, CONDITIONED, FITTED, Surrogate, kept
from tuning.strategies.targets import Targets

CUT_SHORT = frozenset({TrialState.EARLY_STOPPED, TrialState.STOPPED, TrialState.PAUSED})
_FACTOR = 3.0  # between the lengths at which trials are compared where nobody says


@dataclass(frozen=True, slots=True)
class Whole:
    """A model of whole trials, by features (m, D): the joint model at t = 1.

    Its first ``observed`` observations were seen, the others are believed.
    """

    joint: gp.Posterior
    observed: int

    @property
    def incumbent(self) -> float:
        """Of the points that were seen: what is hoped of one that has hardly begun is no bar for others."""
        return float(self.predict(self.joint.features[: self.observed, :-1])[0].min())

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        return self.joint.predict(_whole(features))

    def predict_gradient(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        mean, sd, mean_gradient, sd_gradient = self.joint.predict_gradient(_whole(features))
        return mean, sd, mean_gradient[:, :-1], sd_gradient[:, :-1]

    def believe(self, features: Floats) -> Whole:
        return Whole(self.joint.believe(_whole(features)), self.observed)


@dataclass(frozen=True, slots=True)
class Fidelities:
    """How long trials are: compared at ``levels`` (ascending), and whole at ``most``."""

    levels: tuple[int, ...]
    most: int

    def ended(self, space: SearchSpace, history: History) -> History:
        """The history with paused trials as trials that ended there: neither pending nor without a value.

        Where parents' values are not comparable, all own trials that ended have the value that is expected of them as
        whole ones, since the model that learns from such parents knows of one length only.
        """
        paused = {trial.number: _told(trial, rungs.last_value(trial)) for trial in history.paused}
        seen = replace(history, own=tuple(paused.get(trial.number, trial) for trial in history.own))
        return self._extended(space, seen) if history.inherited and not history.comparable and seen.finished else seen

    def surrogate(self, space: SearchSpace, history: History) -> Surrogate:
        """The model of ``history``, in which at least one own or comparable trial has a value.

        A failed trial counts as if it had come to its end with the worst value seen.
        """
        sign = history.goal.sign
        seen = [(trial, step, value) for trial in rungs.sound(history) for step, value in self.values(trial)]
        losses = np.array([-sign * value for _, _, value in seen])
        losses = np.append(losses, [losses.max()] * len(history.failed))
        trials = [trial for trial, _, _ in seen] + list(history.failed)
        units = space.encode_all([trial.config for trial in trials])
        times = np.array([self._time(step) for _, step, _ in seen] + [1.0] * len(history.failed))
        chosen = kept(losses, CONDITIONED)
        units, losses, times = units[chosen], losses[chosen], times[chosen]
        targets = Targets.fit(losses)
        features = np.column_stack([space.unit_features(units), times])
        fitted = kept(losses, FITTED)
        kernel = gp.fit(features[fitted], targets.values[fitted], np.append(space.groups, len(space)))
        model = Whole(gp.condition(kernel, features, targets.values), len(features))
        known = {(trial.inherited_from, trial.number) for trial in trials}
        inherited = sum(parent is not None for parent, _ in known)
        return Surrogate(
            model, targets, _best(model, features, units), len(known) - inherited, inherited, len(trials) - len(known)
        )

    def values(self, trial: Observation) -> list[tuple[int, float]]:
        """The (resource, value) of a trial at each rung that it reported at, and at its last report.

        One that completed has come to its end, wherever that is.
        """
        found: dict[int, float] = {}
        for level in self.levels:
            value = rungs.value_at(trial, level) if rungs.resource(trial) >= level else None
            if value is not None:
                found[level] = value
        last = rungs.last_value(trial)
        if last is not None:
            end = self.most if trial.state is TrialState.COMPLETED else min(rungs.resource(trial), self.most)
            found[end] = last
        return list(found.items())

    def _time(self, step: int) -> float:
        first = self.levels[0] if self.levels else self.most
        span = math.log(self.most / first)
        return min(1.0, max(0.0, math.log(max(step, 1) / first) / span)) if span > 0 else 1.0

    def _extended(self, space: SearchSpace, history: History) -> History:
        """The history with every usable own trial at the value that is expected of it as a whole trial."""
        surrogate = self.surrogate(space, replace(history, inherited=()))
        usable = history.finished
        means, _ = surrogate.model.predict(space.features([trial.config for trial in usable]))
        values = (-history.goal.sign * surrogate.targets.to_loss(means)).tolist()
        told = {trial.number: replace(trial, value=value) for trial, value in zip(usable, values, strict=True)}
        return replace(history, own=tuple(told.get(trial.number, trial) for trial in history.own))


def fidelities_of(history: History) -> Fidelities | None:
    """The lengths of a history in which trials were stopped on their way; None where all that ended are whole.

    A whole trial is as long as the longest so far; while none has completed, it is taken for ``_FACTOR`` times as long,
    so that the search looks beyond the values of today.
    """
    trials = [trial for trial in rungs.sound(history) if trial.curve]
    most = max(map(rungs.resource, trials), default=0)
    if not any(trial.state in CUT_SHORT and rungs.resource(trial) < most for trial in trials):
        return None
    first = max(1, min(trial.curve[0][0] for trial in trials))
    whole = most if any(trial.state is TrialState.COMPLETED for trial in trials) else round(_FACTOR * most)
    return Fidelities(rungs.levels(first, whole, _FACTOR), whole)


def _told(trial: Observation, value: float | None) -> Observation:
    return replace(trial, state=TrialState.EARLY_STOPPED, value=value)


def _whole(features: Floats) -> Floats:
    return np.column_stack([features, np.ones(len(features))])


def _best(model: Whole, features: Floats, units: Floats) -> Floats:
    """The units of the few different points of which most is expected as whole trials, the best first."""
    order = np.argsort(model.predict(features[:, :-1])[0], kind="stable")
    _, first = np.unique(units[order], axis=0, return_index=True)
    best: Floats = units[order][np.sort(first)[:ANCHORS]]
    return best
