"""Strategies and policies of other packages, with a guard: whatever they do, the service goes on and says why.

A strategy that raises, or suggests what cannot be run, ends the search with a reason that names its package. A policy
that raises stops nothing. What is right passes through, in the space's canonical form.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from tuning.contracts import Number, Policy, Promotion, Scheduler, Strategy, Suggestion, Verdict
from tuning.errors import SpaceExhausted, StrategyFailed, Unusable
from tuning.history import History
from tuning.plain import plain
from tuning.registry import Info
from tuning.space import SearchSpace

logger = logging.getLogger(__name__)


def told(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def watch_strategy(strategy: Strategy, info: Info, package: str) -> Strategy:
    """``strategy`` with the guard; a Scheduler stays one. Raises Unusable if it is no strategy."""
    if not callable(getattr(strategy, "suggest", None)):
        raise Unusable(f"cannot be made: build gave {type(strategy).__name__}, which has no suggest, in {package}")
    if isinstance(strategy, Scheduler) != info.schedules:
        has = "has judge and promote" if not info.schedules else "lacks judge or promote"
        raise Unusable(f"cannot be made: it {has}, but its INFO says schedules={info.schedules}, in {package}")
    if isinstance(strategy, Scheduler):
        return WatchedScheduler(strategy, info.name, package)
    return WatchedStrategy(strategy, info.name, package)


def watch_policy(policy: Policy, info: Info, package: str) -> Policy:
    """``policy`` with the guard. Raises Unusable if it is no policy."""
    if not callable(getattr(policy, "judge", None)):
        raise Unusable(f"cannot be made: build gave {type(policy).__name__}, which has no judge, in {package}")
    return WatchedPolicy(policy, info.name, package)


class WatchedStrategy:
    def __init__(self, strategy: Strategy, name: str, package: str) -> None:
        self.strategy = strategy
        self._who = f"The strategy {name} of {package}"
        self._may_wait = False

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        try:
            found = [_plain(one) for one in self.strategy.suggest(space, history, numbers, seed)]
            wrong = _wrong(found, space, history, numbers)
        except SpaceExhausted:
            raise
        except Exception as error:
            logger.exception("%s failed", self._who)
            raise StrategyFailed(f"{self._who} failed: {told(error)}.") from error
        if not found and numbers and not self._may_wait:
            wrong = "it suggested no point and did not say that the space is exhausted"
        if wrong:
            logger.error("%s broke its contract: %s", self._who, wrong)
            raise StrategyFailed(f"{self._who} broke its contract: {wrong}.")
        return [replace(one, config=space.canonical(one.config)) for one in found]


class Missing:
    """Stands for a strategy of a package that is gone: the search is over, with ``reason``."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        if not numbers:
            return []
        raise StrategyFailed(self.reason)


class WatchedScheduler(WatchedStrategy):
    def __init__(self, scheduler: Scheduler, name: str, package: str) -> None:
        super().__init__(scheduler, name, package)
        self._scheduler = scheduler
        self._may_wait = True

    def judge(self, number: int, history: History) -> Verdict:
        return _judged(self._scheduler.judge, number, history, self._who)

    def promote(self, history: History, room: int) -> list[Promotion]:
        """A scheduler that breaks here promotes nobody: paused trials end as they are."""
        paused = {trial.number for trial in history.paused}
        try:
            found = list(self._scheduler.promote(history, room))[:room]
            if all(_sound(one, Promotion) and one.number in paused for one in found):
                return found
            _say_once(f"{self._who} promoted what is not paused, or did not say why with numbers")
        except Exception as error:
            _say_once(f"{self._who} failed to promote: {told(error)}")
        return []


class WatchedPolicy:
    def __init__(self, policy: Policy, name: str, package: str) -> None:
        self.policy = policy
        self._who = f"The policy {name} of {package}"

    def judge(self, number: int, history: History) -> Verdict:
        verdict = _judged(self.policy.judge, number, history, self._who)
        return _goes_on(self._who, "only a scheduler can pause a trial") if verdict.pause else verdict


def _judged(judge: Callable[[int, History], Verdict], number: int, history: History, who: str) -> Verdict:
    try:
        verdict = judge(number, history)
    except Exception as error:
        return _goes_on(who, told(error))
    return verdict if _sound(verdict, Verdict) else _goes_on(who, "its verdict is none, or its numbers are no JSON")


def _goes_on(who: str, wrong: str) -> Verdict:
    _say_once(f"{who} could not judge: {wrong}")
    return Verdict(False, f"Not judged: {who[0].lower()}{who[1:]} broke: {wrong}.")


@lru_cache(maxsize=256)
def _say_once(message: str) -> None:
    """Into the log, once in a process: reports may come many times a second."""
    logger.error(message)


def _wrong(found: list[Suggestion], space: SearchSpace, history: History, numbers: Sequence[int]) -> str | None:
    """The first thing that keeps the suggestions from being run."""
    if len(found) > len(numbers):
        return f"it suggested {len(found)} points for {len(numbers)} trials"
    for suggestion in found:
        if not _sound(suggestion, Suggestion):
            return f"{str(suggestion)[:100]} is no Suggestion whose numbers are JSON"
        if problem := space.problem_with(suggestion.config):
            return f"it suggested a point that is none of the space: {problem}"
    keys = [space.key(suggestion.config) for suggestion in found]
    if len(set(keys)) < len(keys) or not set(keys).isdisjoint(space.key(trial.config) for trial in history.own):
        return "it suggested a point for the second time"
    return None


def _plain(suggestion: Suggestion) -> Suggestion:
    """``suggestion`` with numpy's numbers as Python's; what is none after all, as it is."""
    if not isinstance(suggestion, Suggestion):
        return suggestion
    config, numbers = plain(suggestion.config), plain(suggestion.numbers)
    return replace(suggestion, config=config, numbers=numbers)  # type: ignore[arg-type]


def _sound(said: object, kind: type[Suggestion] | type[Verdict] | type[Promotion]) -> bool:
    """Whether it is of its kind and can be stored."""
    if not isinstance(said, kind):
        return False
    numbers: Mapping[str, Number] = said.numbers
    try:
        return isinstance(said.reason, str) and bool(json.loads(json.dumps(numbers, allow_nan=False)) == dict(numbers))
    except (TypeError, ValueError):
        return False
