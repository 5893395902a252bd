"""Strategies and policies of other packages: found by entry point, watched, and never able to break the rest."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tuning.plugin_kit import EXAMPLE, install, installed, write
from tests.tuning.policy_suite import GOOD, POOR, history
from tests.tuning.strategy_suite import MIXED, bowl
from tuning import Tuner, earlystop, strategies
from tuning.errors import InvalidSpec, SpaceExhausted, StrategyFailed
from tuning.history import History
from tuning.simulate import simulate
from tuning.states import Goal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def example(tmp_path):
    with installed(install(EXAMPLE, tmp_path)):
        yield


def offered():
    return [info.name for info in strategies.catalogue()]


def test_a_package_is_offered_after_the_own_ones(example):
    assert offered()[-1] == "hill-climbing" and earlystop.catalogue()[-1].name == "patience"
    info = strategies.catalogue()[-1]
    assert info.title == "Hill climbing"
    assert info.summary == "Tries points around the best one so far. From the package hpt-hill-climbing 0.3.1."
    assert [option.name for option in info.options] == ["step"]
    assert strategies.broken() == earlystop.broken() == ()


def test_it_searches_like_any_other(example):
    found = simulate(strategies.create("hill-climbing", {"step": 0.2}), MIXED, bowl, trials=40)
    random = simulate(strategies.create("random", {}), MIXED, bowl, trials=40)
    assert found.best.value > random.best.value
    tuner = Tuner(MIXED, strategy="hill-climbing", step=0.3, early_stopping="patience")
    (trial,) = tuner.ask()
    assert "nothing is known yet" in trial.reason
    tuner.report(trial, 0.5)
    assert tuner.should_stop(trial).reason == "Not judged before report 4."


def test_options_are_checked_like_any_other(example):
    with pytest.raises(InvalidSpec) as caught:
        strategies.create("hill-climbing", {"step": 2, "stride": 1}, "strategy")
    assert {fault.field for fault in caught.value.faults} == {"strategy.options.step", "strategy.options.stride"}
    with pytest.raises(InvalidSpec) as caught:
        earlystop.create("patience", {"reports": 9})
    assert [fault.field for fault in caught.value.faults] == ["early_stopping.options.at_least"]


def test_its_author_runs_the_same_suites(tmp_path):
    """As in docs/plugins.md: in the author's folder, outside HPT's, with the package installed."""
    author = tmp_path / "author"
    author.mkdir()
    shutil.copy(EXAMPLE / "test_hill_climbing.py", author)
    installed_in = install(EXAMPLE, tmp_path / "site")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django"],
        cwd=author,
        env={**os.environ, "PYTHONPATH": f"{installed_in}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout and "failed" not in run.stdout


def test_without_packages_nothing_is_looked_for():
    """Neither the import nor a strategy of HPT's own reads the metadata of installed packages."""
    code = (
        "import sys; from tuning import strategies, earlystop; strategies.create('random', {});"
        "earlystop.create('median', {}); before = strategies._REGISTRY._found;"
        "strategies.catalogue(); print(before is None, strategies._REGISTRY._found is not None)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.split() == ["True", "True"]


# --- packages that are broken -----------------------------------------------------------------------------------------

HEAD = """
from types import SimpleNamespace
from tuning.contracts import Suggestion, Verdict
from tuning.registry import Info, Option
INFO = Info("mine", "Mine", "A strategy.")
"""
SOUND = HEAD + "def build(): return SimpleNamespace(suggest=lambda space, history, numbers, seed: [])\n"

BROKEN = {
    "raise RuntimeError('no licence')": "it cannot be loaded: RuntimeError: no licence",
    "import a_module_that_is_not_there": "ModuleNotFoundError: No module named 'a_module_that_is_not_there'",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "def broken(:": "SyntaxError",
    "INFO = 3": "has no INFO of tuning.registry.Info",
    HEAD: "has no build that can be called",
    HEAD + "build = 3": "has no build that can be called",
    SOUND + "faults = 3": "faults of mine cannot be called",
    SOUND + "INFO = Info('yours', 'T', 'S')": "its INFO is named 'yours' and its entry point 'mine'",
    SOUND + "INFO = Info('mine', '', '')": "needs a title and a summary",
    SOUND + "INFO = Info('mine', 'T', 'S', (Option('n', 'integer', 3, 5, 9),))": "the default of its option n is 3",
    SOUND + "INFO = Info('mine', 'T', 'S', (Option('a-b', 'integer', 3),))": "each a Python name",
    SOUND + "INFO = Info('mine', 'T', 'S', (3,))": "its options must be Options",
    SOUND + "INFO = Info('mine', 'T', 'S', None)": "cannot be loaded: TypeError",
}


def package(folder, text, name="hpt-mine", point="mine", module="mine", group="hpt.strategies"):
    return write(folder, name, "1.0", {f"{module}.py": text}, {group: {point: module}})


@pytest.mark.parametrize("text", BROKEN, ids=BROKEN.values())
def test_a_broken_package_is_left_out_and_told_of(text, tmp_path, caplog):
    own = offered()
    with installed(package(tmp_path, text)):
        assert offered() == own
        (broken,) = strategies.broken()
        assert (broken.name, broken.package) == ("mine", "hpt-mine 1.0") and BROKEN[text] in broken.reason
        with pytest.raises(InvalidSpec) as caught:
            strategies.create("mine", {}, "strategy")
        assert f"is 'mine', which hpt-mine 1.0 offers, but {broken.reason}" in str(caught.value)
        assert strategies.create("random", {})
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1 and "mine of hpt-mine 1.0 is left out" in told[0].getMessage()


def test_a_name_is_never_taken_over(tmp_path):
    package(tmp_path, SOUND, "hpt-thief", "random", "thief")
    package(tmp_path, SOUND, "hpt-one", "mine", "one")
    package(tmp_path, SOUND, "hpt-two", "mine", "two")
    own = offered()
    with installed(tmp_path):
        assert offered() == own
        assert type(strategies.create("random", {})).__module__ == "tuning.strategies.random_search"
        assert [(one.name, one.package, one.reason) for one in strategies.broken()] == [
            (
                "mine",
                "hpt-one 1.0",
                "several packages offer that name (hpt-one 1.0, hpt-two 1.0); uninstall all but one",
            ),
            (
                "mine",
                "hpt-two 1.0",
                "several packages offer that name (hpt-one 1.0, hpt-two 1.0); uninstall all but one",
            ),
            ("random", "hpt-thief 1.0", "the name random is taken by HPT itself; choose another one"),
        ]


def test_a_package_may_ask_for_the_catalogue_while_it_is_imported(tmp_path):
    text = SOUND + "from tuning import strategies\nNAMES = [info.name for info in strategies.catalogue()]\n"
    with installed(package(tmp_path, text)):
        assert offered()[-1] == "mine"


# --- packages that break while they are used --------------------------------------------------------------------------

SUGGESTS = HEAD + "def build(): return SimpleNamespace(suggest=suggest)\ndef suggest(space, history, numbers, seed): "
POINT = "space.decode([0.5] * len(space))"
FAILING = {
    "return 1 / 0": "failed: ZeroDivisionError: division by zero.",
    "return None": "failed: TypeError: 'NoneType' object is not iterable.",
    "return []": "broke its contract: it suggested no point and did not say that the space is exhausted.",
    "return [3]": "3 is no Suggestion whose numbers are JSON",
    "return [Suggestion({}, 'so')]": "it suggested a point that is none of the space: layers is missing",
    "return [Suggestion(3, 'so')]": "failed: ",
    f"return [Suggestion({POINT}, 'so')] * 2": "it suggested 2 points for 1 trials",
    f"return [Suggestion({POINT}, 'so', {{'x': float('nan')}})]": "is no Suggestion whose numbers are JSON",
    f"return [Suggestion({POINT}, 'so', {{'x': object}})]": "is no Suggestion whose numbers are JSON",
}


@pytest.mark.parametrize("body", FAILING)
def test_a_strategy_that_breaks_ends_the_search_with_a_reason(body, tmp_path):
    with installed(package(tmp_path, SUGGESTS + body)), pytest.raises(StrategyFailed) as caught:
        strategies.create("mine", {}).suggest(MIXED, History(Goal.MAXIMIZE), [1], 0)
    assert caught.value.reason.startswith("The strategy mine of hpt-mine 1.0 ") and FAILING[body] in caught.value.reason
    assert isinstance(caught.value, SpaceExhausted)


def test_its_points_are_run_in_the_form_of_the_space(tmp_path):
    floats = f"{{n: v if isinstance(v, str) else float(v) for n, v in {POINT}.items()}}"
    with installed(package(tmp_path, SUGGESTS + f"return [Suggestion({floats}, 'so')]")):
        (one,) = strategies.create("mine", {}).suggest(MIXED, History(Goal.MAXIMIZE), [1], 0)
    assert repr(one.config) == repr(MIXED.decode([0.5] * len(MIXED)))


def test_no_point_is_run_twice_by_mistake(tmp_path):
    with installed(package(tmp_path, SUGGESTS + f"return [Suggestion({POINT}, 'so')]")):
        found = simulate(strategies.create("mine", {}), MIXED, bowl, trials=5)
        assert len(found.own) == 1
        with pytest.raises(StrategyFailed, match="for the second time"):
            strategies.create("mine", {}).suggest(MIXED, found, [2], 0)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (HEAD + "def build(): return 1 / 0", "cannot be made: ZeroDivisionError: division by zero in hpt-mine 1.0"),
        (HEAD + "def build(): return 3", "build gave int, which has no suggest"),
        (SOUND + "INFO = Info('mine', 'T', 'S', (), True)", "lacks judge or promote, but its INFO says schedules=True"),
        (SOUND + "def faults(options): return 1 / 0", "cannot check its options: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_made_is_a_fault_of_the_name(text, part, tmp_path):
    with installed(package(tmp_path, text)), pytest.raises(InvalidSpec) as caught:
        strategies.create("mine", {}, "strategy")
    (fault,) = caught.value.faults
    assert fault.field == "strategy.name" and part in fault.message


JUDGES = HEAD + "def build(): return SimpleNamespace(judge=judge)\ndef judge(number, history): "


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("return 1 / 0", "ZeroDivisionError: division by zero"),
        ("return True", "its verdict is none"),
        ("return Verdict(True, 'so', {'x': object})", "its numbers are no JSON"),
        ("return Verdict(True, 'so', pause=True)", "only a scheduler can pause a trial"),
    ],
)
def test_a_policy_that_breaks_stops_nothing_and_says_so(body, part, tmp_path):
    with installed(package(tmp_path, JUDGES + body, group="hpt.policies")):
        verdict = earlystop.create("mine", {}).judge(2, history(GOOD, POOR))
    assert not verdict.stop and verdict.reason.startswith("Not judged: the policy mine of hpt-mine 1.0 broke: ")
    assert part in verdict.reason


SCHEDULES = (
    "from tuning import strategies\nfrom tuning.registry import Info\n"
    "INFO = Info('mine', 'T', 'S', (), schedules=True)\n"
    "def build(): return Broken(strategies.create('hyperband', {'max_resource': 9}))\n"
    "class Broken:\n"
    "    def __init__(self, inner): self.inner = inner\n"
    "    def suggest(self, *args): return self.inner.suggest(*args)\n"
    "    def judge(self, *args): return self.inner.judge(*args)\n"
)


def test_a_scheduler_stays_one_and_promotes_nobody_when_it_breaks(tmp_path):
    from tuning.contracts import Scheduler

    with installed(package(tmp_path, SCHEDULES + "    def promote(self, history, room): return 1 / 0\n")):
        made = strategies.create("mine", {})
    assert isinstance(made, Scheduler) and made.promote(History(Goal.MAXIMIZE), 3) == []
    (one,) = made.suggest(MIXED, History(Goal.MAXIMIZE), [1], 0)
    assert MIXED.problem_with(one.config) is None


@pytest.mark.parametrize("file", ["hpt_hill_climbing.py", "pyproject.toml", "test_hill_climbing.py"])
def test_the_documentation_shows_what_is_tested(file):
    assert f"\n{(EXAMPLE / file).read_text().rstrip()}\n```" in (ROOT / "docs" / "plugins.md").read_text()
