"""F100, F101: a line per trial."""

import pytest

from hpt_web.figures import FIGURES, FigureOptions, Unavailable, curves
from tests.figures.jobs import T0, curve, drawn, job, trial
from tuning.states import Goal, TrialState


def collected(*jobs: object, metric: str | None = None, kind: str = "step") -> curves.Curves:
    result = curves.collect(list(jobs), metric, kind)  # type: ignore[arg-type]
    assert isinstance(result, curves.Curves)
    return result


def two_trials() -> object:
    return job(
        [trial(1, 0.5), trial(2, 0.7)], curves=[curve(1, [0.3, 0.5]), curve(2, [0.4, 0.7]), curve(2, [9.0], "loss")]
    )


@pytest.mark.parametrize(
    ("kind", "x"), [("step", (1, 2)), ("elapsed", (1.0, 2.0)), ("time", (T0 + 11, T0 + 12))], ids=str
)
def test_by_step_by_relative_and_by_absolute_time(kind: str, x: tuple[float, ...]) -> None:
    """F100."""
    line = collected(two_trials(), kind=kind).lines[0]
    assert line.x == x
    assert line.y == (0.3, 0.5)


def test_the_objective_is_the_default_metric_and_another_can_be_chosen() -> None:
    assert [line.trial.number for line in collected(two_trials()).lines] == [1, 2]
    assert [line.trial.number for line in collected(two_trials(), metric="loss").lines] == [2]


def test_best_and_newest_are_drawn_and_the_rest_is_counted() -> None:
    trials = [trial(n, n / 1000 if n != 7 else 5.0) for n in range(1, 301)]
    numbers = curves.chosen([job(trials)])["a"]
    assert len(numbers) == curves.MAX_CURVES
    assert 7 in numbers
    assert set(range(241, 301)) & set(numbers) >= set(range(271, 301))
    figure = curves.draw(collected(job(trials, curves=[curve(n, [0.1, 0.2]) for n in range(1, 301)]))).figure()
    assert "60 of 300 trials: the best and the newest." in figure.layout.title.subtitle.text


def test_a_running_trial_is_always_among_the_newest() -> None:
    trials = [trial(n, n / 1000) for n in range(1, 101)] + [trial(101, None, TrialState.RUNNING)]
    assert 101 in curves.chosen([job(trials)])["a"]


def test_jobs_share_the_lines() -> None:
    jobs = [job([trial(n, n / 100) for n in range(1, 100)], name=name) for name in "abc"]
    assert [len(numbers) for numbers in curves.chosen(jobs).values()] == [20, 20, 20]


def test_minimising_jobs_choose_the_lowest() -> None:
    numbers = curves.chosen([job([trial(n, float(n)) for n in range(1, 11)], goal=Goal.MINIMIZE)], limit=4)["a"]
    assert numbers == [1, 2, 9, 10]


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    values = [((-1) ** i) * i / 5000 for i in range(5000)]
    line = collected(job([trial(1, 0.5)], curves=[curve(1, values)])).lines[0]
    assert len(line.x) == curves.MAX_POINTS
    assert line.points == 5000
    assert (line.x[0], line.x[-1]) == (1, 5000)
    assert max(line.y) > 0.99
    assert min(line.y) < -0.99


def test_the_best_line_is_drawn_last_and_named() -> None:
    figure = drawn(FIGURES["curves"].build([two_trials()], FigureOptions()))
    assert [trace.meta["trial"] for trace in figure.data] == [1, 2]
    assert figure.data[1].name == "a · trial 2 (best)"
    assert figure.data[1].line.width > figure.data[0].line.width
    assert figure.data[0].meta == {"role": "curve", "job": "a", "trial": 1, "metric": "f1"}


def test_early_stopped_lines_end_with_a_mark() -> None:
    stopped = job([trial(1, 0.5, TrialState.EARLY_STOPPED)], curves=[curve(1, [0.1, 0.2])])
    ends = curves.draw(collected(stopped)).figure().data[-1]
    assert (ends.meta["role"], list(ends.x), list(ends.y), list(ends.customdata)) == ("ends", [2], [0.2], [1])


def test_nothing_reported_says_so() -> None:
    assert curves.collect([job([trial(1, None, TrialState.RUNNING)])]) == Unavailable("No trial has reported 'f1' yet.")
    assert curves.collect([two_trials()], "recall") == Unavailable(  # type: ignore[list-item]
        "No trial has reported 'recall'; reported so far: f1, loss."
    )
