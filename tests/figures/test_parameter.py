"""F96, F100: one hyperparameter against the objective."""

import pytest

from hpt_web.figures import FIGURES, FigureOptions, Unavailable, parameter
from tests.figures.jobs import drawn, job, trial


def collected(*jobs: object, name: str | None = None) -> parameter.ParameterDots:
    result = parameter.collect(list(jobs), name)  # type: ignore[arg-type]
    assert isinstance(result, parameter.ParameterDots)
    return result


def test_values_and_objectives_of_the_measured_trials() -> None:
    dots = collected(job([trial(1, 0.5, depth=4), trial(2, None, depth=5), trial(3, 0.6, depth=6)]), name="depth")
    assert dots.jobs[0].x == (4.0, 6.0)
    assert dots.jobs[0].y == (0.5, 0.6)
    assert dots.jobs[0].numbers == (1, 3)


def test_the_axis_spans_the_declared_range_so_that_it_stays_while_trials_arrive() -> None:
    """F98: the axis is fixed while others are filtered."""
    dots = collected(job([trial(1, 0.5, depth=4)]), name="depth")
    assert (dots.low, dots.high) == (2, 12)
    low, high = parameter.draw(dots).figure().layout.xaxis.range
    assert low < 2 < 12 < high


@pytest.mark.parametrize(
    ("name", "scale", "kind"), [("lr", "log10", "log"), ("depth", "linear", None)], ids=["wide", "narrow"]
)
def test_a_log_axis_above_a_factor_of_fifty(name: str, scale: str, kind: str | None) -> None:
    """F100."""
    dots = collected(job([trial(1, 0.5)]), name=name)
    assert dots.scale == scale
    assert parameter.draw(dots).figure().layout.xaxis.type == kind


def test_a_base_two_axis_above_a_factor_of_ten() -> None:
    dots = collected(job([trial(1, 0.5, depth=2), trial(2, 0.6, depth=30)]), name="depth")
    assert dots.scale == "log2"
    assert list(parameter.draw(dots).figure().layout.xaxis.tickvals) == [2, 4, 8, 16, 32]


def test_categories_lie_side_by_side_and_each_job_in_its_lane() -> None:
    first = job([trial(n, 0.5, criterion="entropy") for n in range(1, 20)])
    second = job([trial(n, 0.5, criterion="gini") for n in range(1, 20)], name="b")
    dots = collected(first, second, name="criterion")
    assert dots.categories == ("gini", "entropy")
    assert all(0.75 <= at <= 1.0 for at in dots.jobs[0].x)
    assert all(0.0 <= at <= 0.25 for at in dots.jobs[1].x)
    figure = parameter.draw(dots).figure()
    assert list(figure.layout.xaxis.ticktext) == ["gini", "entropy"]
    assert set(figure.data[0].text) == {"entropy"}


def test_the_first_parameter_is_the_default_and_meta_names_it() -> None:
    figure = drawn(FIGURES["parameter"].build([job([trial(1, 0.5)])], FigureOptions()))
    assert figure.data[0].meta == {"role": "parameter", "job": "a", "metric": "f1", "parameter": "lr"}
    assert list(figure.data[0].customdata) == [1]


def test_an_unknown_parameter_says_which_there_are() -> None:
    result = parameter.collect([job([trial(1, 0.5)])], "width")
    assert result == Unavailable("There is no hyperparameter 'width' here; there are lr, depth, criterion.")


def test_a_conditional_parameter_that_no_measured_trial_used() -> None:
    plain = trial(1, 0.5)
    inactive = type(plain)(1, plain.state, 0.5, plain.started_at, plain.ended_at, {"lr": 0.1})
    assert parameter.collect([job([inactive])], "depth") == Unavailable(
        "No trial with a value of 'depth' has reported an objective yet."
    )
