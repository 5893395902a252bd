"""Bayesian optimisation with a Gaussian process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tuning.contracts import Number, Suggestion
from tuning.history import History, best_of
from tuning.registry import Info, Option
from tuning.space import SearchSpace, Value
from tuning.strategies import sobol
from tuning.strategies.acquisition import TITLES, Acquisition, Kind, shown
from tuning.strategies.candidates import Proposal, propose, propose_drawn
from tuning.strategies.fidelity import Fidelities, fidelities_of
from tuning.strategies.gp import Posterior, one_thread
from tuning.strategies.skill import skill
from tuning.strategies.surrogate import Surrogate, pooled, with_parents
from tuning.strategies.transfer import STARTERS, Source, sources_of, starter
from tuning.strategies.untried import draw_untried, free, in_turn

_MODELLED = 2  # own or comparable values that the model needs at least
# With 10 to 20 hyperparameters the cap makes no difference after 50 trials, with 100 it decides: 102 designed points
# would leave nothing for the model. A shorter design, 6, is ahead after 25 trials, and stuck more often after 50 (on
# the 16 tasks of docs/bench.md: score 89.1 against 89.8, log10 regret -2.88 against -2.97).
_DESIGN = 10
_CENTRE_AT = 2  # the trial of the design's first point, among those that the parents choose
_TIED = 3  # different points that share the best value make a plateau
_PLATEAU_KAPPA = 3.0
# Nats per trial. The kernel was fitted to the same trials, so that a model of noise alone has 0.1 to 0.2 (medians, 12
# to 40 trials of 3 or 6 hyperparameters); on tasks that a model helps with it is above 0.3 at nearly every trial.
_SKILLED = 0.2
_JUDGED = 15  # trials below which the skill of a model is chance
_ASKED = 4  # a model without skill chooses each so manieth trial

INFO = Info(
    name="bayesian",
    title="Bayesian",
    summary="Models the objective with a Gaussian process and tries the point that promises most. Learns from all "
    "earlier trials and from warm-start parents; fewer trials at a time make it better.",
    options=(
        Option(
            "n_initial_points",
            "integer",
            None,
            1,
            1000,
            help="Trials of the space-filling design before the model is used; left out, the number of hyperparameters "
            "plus 2, at most 10. Parents' trials count towards it.",
        ),
        Option(
            "kind",
            "choice",
            "ei",
            choices=("ei", "ucb", "poi"),
            help="What makes a point promising: expected improvement (ei), upper confidence bound (ucb) or probability "
            "of improvement (poi).",
        ),
        Option("kappa", "float", 2.5, 0, 1000, help="For ucb: how many standard deviations to add to the mean."),
        Option(
            "xi",
            "float",
            0.0,
            0,
            None,
            help="For ei and poi: the improvement that is asked for, in the objective's own unit.",
        ),
    ),
)


class Bayesian:
    """A Gaussian process over all usable trials, and the untried point of highest acquisition.

    The initial design is the centre, then scrambled Sobol points that the constraints allow, by trial number. Where
    three points or more share the best value, improvement says little: every second trial explores, the best of a few
    random points by the confidence bound. Where the model foretells trials hardly better than their mean does (see
    skill.py), the design goes on in three trials of four. Inherited trials of comparable value are observations like
    the own ones, and shorten the design. With parents whose values are not comparable, the first and the third trial
    are the parents' (see transfer.py), the second is the centre; what is asked for beside these before there are
    results is of the rest of the design.
    Pending trials are believed to give what the model expects of them. Failed trials count as the worst value seen;
    lost ones, and stopped ones without a value, are ignored. Where trials were stopped or are paused on their way, the
    model is of whole trials, learnt from the values of all lengths (see fidelity.py); ``fidelities`` tell these
    lengths, which are else seen from the trials.
    """

    def __init__(
        self,
        n_initial_points: int | None = None,
        kind: Kind = "ei",
        kappa: float = 2.5,
        xi: float = 0.0,
        fidelities: Fidelities | None = None,
    ) -> None:
        self.n_initial_points = n_initial_points
        self.kind = kind
        self.kappa = kappa
        self.xi = xi
        self.fidelities = fidelities

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        space = space.focused
        with one_thread():
            fidelities = self.fidelities or fidelities_of(history)
            seen = fidelities.ended(space, history) if fidelities else history
            return in_turn(numbers, _Search(self, space, seen, seed, fidelities).suggest)


class _Search:
    """One call of ``Bayesian.suggest``: the model is fitted at most once, each suggestion is pending for the next."""

    def __init__(
        self, options: Bayesian, space: SearchSpace, history: History, seed: int, fidelities: Fidelities | None
    ) -> None:
        self.fidelities = fidelities
        self.options, self.space, self.history, self.seed = options, space, history, seed
        self.used = history.used_keys(space)
        self.pending = list(space.encode_all([trial.config for trial in history.pending]))
        self.inherited = sum(trial.usable for trial in history.inherited)
        self.design_size = options.n_initial_points or min(len(space) + 2, _DESIGN)
        self._surrogate: Surrogate | None = None
        self._sources: tuple[Source, ...] | None = None

    def suggest(self, number: int) -> Suggestion:
        """The suggestion for trial ``number``. Raises SpaceExhausted."""
        rng = np.random.default_rng([self.seed, number])
        own = len(self.history.finished)
        if self._transfers():
            # Many pending trials and no result yet: the parents are all there is to go by.
            begun = min(own, number - 1) >= STARTERS
            suggestion = self._modelled(number, rng) if begun else self._from_parents(number, rng)
        else:
            inherited = self.inherited if self.history.comparable else 0
            size = max(0, self.design_size - inherited)
            designed = number <= size or own + inherited < _MODELLED
            suggestion = self._designed(number, size, rng) if designed else self._modelled(number, rng)
        self.used.add(self.space.key(suggestion.config))
        self.pending.append(self.space.encode(suggestion.config))
        return suggestion

    def _designed(self, number: int, size: int, rng: np.random.Generator) -> Suggestion:
        config, where = self._design_point(number, rng)
        reason = f"Initial design {number} of {size}{where}."
        if number > size:
            reason = f"Space-filling point{where}: fewer than {_MODELLED} trials have a value to learn from."
        return Suggestion(config, reason, {"design": number, "design_size": size})

    def _design_point(self, number: int, rng: np.random.Generator) -> tuple[dict[str, Value], str]:
        """The point of the initial design for trial ``number``: the centre first, then scrambled Sobol points.

        Where the constraints forbid the centre, the sequence alone. Told in brackets where it is another than expected.
        """
        space = self.space
        centre = space.decode(np.full(len(space), 0.5))
        central = space.scarce or space.allows(centre)
        if central and number <= 1:
            config = space.mended(centre, rng)
            if free(space, config, self.used):
                return config, ""
            config = draw_untried(space, self.used, rng)
            return config, " (a random point, as the centre has been tried or is forbidden)"
        place = number - 2 if central else max(number, 1) - 1
        config, where, index = sobol.placed(space, place, self.seed, self.used, rng)
        return config, "" if index == place and where.startswith("point") else f" ({where})"

    def _from_parents(self, number: int, rng: np.random.Generator) -> Suggestion:
        tried = self.space.encode_all([trial.config for trial in self.history.own if trial.state.terminal])
        taken = np.array([*tried, *self.pending]).reshape(-1, len(self.space))
        if len(taken) >= STARTERS and number > STARTERS:
            return self._beside_parents(number, rng)
        if number == _CENTRE_AT:
            # Parents' good trials alone cannot tell that the best lies elsewhere, where the child would look last.
            config, where = self._design_point(1, rng)
            why = f"the first point of a space-filling design{where}, to tell what the parents' are worth beside it"
        else:
            unit, why = starter(self._parents(), self.space, taken)
            config = self.space.decode(unit)
            if not free(self.space, config, self.used):
                config, why = draw_untried(self.space, self.used, rng), "a random point, as the parents' best are taken"
        return Suggestion(
            config, f"Before own results: {why}.", {"starter": number, "inherited_trials": self.inherited}
        )

    def _beside_parents(self, number: int, rng: np.random.Generator) -> Suggestion:
        """A point of the design for a trial that is asked for before the starters have told what the parents are worth.

        However many run at a time, a parent that misleads costs so no more than its starters.
        """
        place = number - STARTERS + 1  # the first point is among the starters
        config, where = self._design_point(place, rng)
        reason = (
            f"Before own results: point {place} of a space-filling design{where}, as the first {STARTERS} trials have "
            "yet to tell what the parents are worth."
        )
        numbers: dict[str, Number] = {"design": place, "inherited_trials": self.inherited}
        return Suggestion(config, reason, numbers)

    def _modelled(self, number: int, rng: np.random.Generator) -> Suggestion:
        if self._surrogate is None:
            self._surrogate = self._fitted()
        pending = np.array(self.pending).reshape(-1, len(self.space))
        model = self._surrogate.model.believe(self.space.unit_features(pending))
        options = self.options
        xi = self._surrogate.targets.gain(model.incumbent, options.xi)
        acquisition = Acquisition(model, model.incumbent, options.kind, options.kappa, xi)
        explores = options.kind != "ucb" and number % 2 == 0 and self._tied >= _TIED
        if explores:
            acquisition = Acquisition(model, model.incumbent, "ucb", _PLATEAU_KAPPA)
        observed = self._surrogate.own + self._surrogate.inherited
        if self._skill is not None and self._skill < _SKILLED and number % _ASKED:
            proposal = self._spread(acquisition, number, rng)
            suggestion = self._explained(acquisition, proposal, len(pending))
            return _spreading(suggestion, self._skill)
        if explores:
            proposal = propose_drawn(acquisition, self.space, self.used, rng)
        else:
            proposal = propose(acquisition, self.space, self._surrogate.anchors, self.used, rng, observed)
        suggestion = self._explained(acquisition, proposal, len(pending))
        return _exploring(suggestion, self._tied) if explores else suggestion

    def _explained(self, acquisition: Acquisition, proposal: Proposal, pending: int) -> Suggestion:
        assert self._surrogate is not None
        return _explained(self.options, self.space, self.history, self._surrogate, acquisition, proposal, pending)

    def _spread(self, acquisition: Acquisition, number: int, rng: np.random.Generator) -> Proposal:
        """The design's point for trial ``number``, which may be long over."""
        config, _ = self._design_point(number, rng)
        unit = self.space.encode(config)
        return Proposal(config, unit, float(acquisition.score(self.space.unit_features(unit[None]))[0]))

    @cached_property
    def _skill(self) -> float | None:
        """The skill of a model of enough trials of one length, without parents on another scale; else None."""
        model = self._surrogate.model if self._surrogate else None
        if not isinstance(model, Posterior) or len(model.targets) < _JUDGED or self.options.kind == "ucb":
            return None
        return skill(model)

    @cached_property
    def _tied(self) -> int:
        """How many different points share the best value."""
        inherited = self.history.inherited if self.history.comparable else ()
        valued = [trial for trial in (*inherited, *self.history.finished) if trial.usable]
        best = best_of(self.history.goal, valued)
        return len({self.space.key(trial.config) for trial in valued if best and trial.value == best.value})

    def _fitted(self) -> Surrogate:
        if self._transfers():
            return with_parents(self.space, self.history, self._parents())
        return (self.fidelities.surrogate if self.fidelities else pooled)(self.space, self.history)

    def _transfers(self) -> bool:
        """Whether there is something to learn from parents whose values are not comparable."""
        return not self.history.comparable and self.inherited >= self.design_size and bool(self._parents())

    def _parents(self) -> tuple[Source, ...]:
        if self._sources is None:
            self._sources = sources_of(self.space, self.history)
        return self._sources


def _exploring(suggestion: Suggestion, tied: int) -> Suggestion:
    reason = f"{suggestion.reason} {tied} points share the best value, so every second trial explores."
    return Suggestion(suggestion.config, reason, {**suggestion.numbers, "tied_points": tied})


def _spreading(suggestion: Suggestion, gain: float) -> Suggestion:
    reason = (
        f"{suggestion.reason} The model foretells trials hardly better than their mean does (by {gain:.2g} nats each), "
        f"so the space-filling design goes on in {_ASKED - 1} trials of {_ASKED}."
    )
    return Suggestion(suggestion.config, reason, {**suggestion.numbers, "skill": gain})


def _explained(
    options: Bayesian,
    space: SearchSpace,
    history: History,
    surrogate: Surrogate,
    acquisition: Acquisition,
    proposal: Proposal,
    pending: int,
) -> Suggestion:
    """The proposal with its reason, in units of the user's objective."""
    means, sds = acquisition.model.predict(space.unit_features(proposal.unit[None]))
    sign, targets = history.goal.sign, surrogate.targets
    loss, spread = targets.told(float(means[0]), float(sds[0]))
    expected, best = -sign * loss, -sign * targets.told(acquisition.incumbent)[0]
    kind, kappa, xi = acquisition.kind, acquisition.kappa, options.xi if acquisition.xi else 0.0
    worth = shown(kind, expected, spread, best, sign=sign, kappa=kappa, xi=xi)
    sources = f"{surrogate.own} trials"
    if surrogate.inherited:
        sources += f" and {surrogate.inherited} of the parents"
    numbers: dict[str, Number] = {
        "model": "gp",
        "own_trials": surrogate.own,
        "inherited_trials": surrogate.inherited,
        "pending_trials": pending,
        "mean": expected,
        "sd": spread,
        "incumbent": best,
        "acquisition": kind,
        "acquisition_value": worth,
    }
    if kind == "ucb":
        numbers["kappa"] = kappa
    elif acquisition.xi:
        numbers["xi"] = xi
    if surrogate.trust is not None:
        numbers["parents_weight"] = surrogate.trust
        sources += f" (weight {surrogate.trust:.2f})"
    if surrogate.on_the_way:
        numbers["values_on_the_way"] = surrogate.on_the_way
        sources += f" and {surrogate.on_the_way} values on their way"
    if pending:
        sources += f", {pending} running"
    reason = (
        f"Gaussian process on {sources}: expects {expected:.6g} +- {spread:.3g} here against "
        f"{best:.6g} at the best trial; {TITLES[kind]} {worth:{'.6g' if kind == 'ucb' else '.3g'}}."
    )
    return Suggestion(proposal.config, reason, numbers)
