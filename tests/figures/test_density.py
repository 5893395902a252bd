"""F97: kernel densities."""

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from hpt_web.figures import Unavailable, density
from tests.figures.jobs import job, trial
from tuning.states import Goal, TrialState


def collected(*jobs: object, by: str | None = None) -> density.Densities:
    result = density.collect(list(jobs), by)  # type: ignore[arg-type]
    assert isinstance(result, density.Densities)
    return result


def test_the_estimate_is_scipys_at_the_same_bandwidth() -> None:
    values = np.random.default_rng(0).normal(0.9, 0.03, 50)
    grid = np.linspace(0.7, 1.1, 40)
    width = density.bandwidth(values)
    expected = gaussian_kde(values, bw_method=width / values.std(ddof=1))(grid)
    np.testing.assert_allclose(density.estimate(values, grid, width), expected, rtol=1e-9)


def test_silvermans_rule_on_a_known_sample() -> None:
    values = np.arange(1.0, 101.0)
    deviation, spread = values.std(ddof=1), 49.5 / 1.34
    assert density.bandwidth(values) == pytest.approx(0.9 * min(deviation, spread) * 100**-0.2)


def test_half_of_the_results_equal_still_has_a_width() -> None:
    assert density.bandwidth(np.array([0.5] * 8 + [0.4, 0.6])) > 0


def test_the_area_under_a_curve_is_one() -> None:
    group = collected(job([trial(n, 0.5 + n / 100) for n in range(1, 30)])).groups[0]
    assert np.trapezoid(group.density, group.grid) == pytest.approx(1, abs=0.01)


def test_only_results_count() -> None:
    trials = [trial(n, n / 10) for n in range(1, 5)] + [
        trial(5, 0.9, TrialState.RUNNING),
        trial(6, 9.9, TrialState.FAILED),
    ]
    assert collected(job(trials)).groups[0].numbers == (1, 2, 3, 4)


def test_a_loss_over_decades_is_estimated_in_decades() -> None:
    densities = collected(job([trial(n, 10.0**-n) for n in range(1, 6)], goal=Goal.MINIMIZE))
    assert densities.log
    figure = density.draw(densities).figure()
    assert figure.layout.xaxis.type == "log"
    assert min(figure.data[0].x) > 0


def test_a_curve_and_a_rug_per_job_with_the_trials_numbers() -> None:
    jobs = [job([trial(n, n / 10) for n in range(1, 5)], name=name) for name in ("a", "b")]
    figure = density.draw(collected(*jobs)).figure()
    assert [(t.meta["role"], t.meta["job"]) for t in figure.data] == [
        ("density", "a"),
        ("rug", "a"),
        ("density", "b"),
        ("rug", "b"),
    ]
    assert list(figure.data[1].customdata) == [1, 2, 3, 4]
    assert figure.data[0].line.color != figure.data[2].line.color


def test_split_by_the_values_of_a_parameter() -> None:
    """F97: per categorical value where there are fewer than eight."""
    trials = [trial(n, n / 10, criterion="gini" if n % 2 else "entropy") for n in range(1, 9)]
    groups = collected(job(trials), by="criterion").groups
    assert [(group.value, group.numbers) for group in groups] == [("entropy", (2, 4, 6, 8)), ("gini", (1, 3, 5, 7))]
    refused = density.collect([job([trial(n, n / 10, depth=n) for n in range(1, 9)])], "depth")
    assert isinstance(refused, Unavailable)
    assert "'depth' has 8 different values" in refused.reason


def test_too_few_or_all_equal_says_so() -> None:
    result = density.collect([job([trial(1, 0.5)]), job([trial(n, 0.7) for n in range(1, 5)], name="b")])
    assert result == Unavailable(
        "A density cannot be drawn yet. a: 1 result so far, at least 3 are needed. "
        "b: all 4 results are 0.7, which has no width."
    )


def test_one_job_that_cannot_be_drawn_does_not_hide_the_other() -> None:
    figure = density.draw(
        collected(job([trial(n, n / 10) for n in range(1, 5)]), job([trial(1, 0.5)], name="b"))
    ).figure()
    assert "b: 1 result so far" in figure.layout.title.subtitle.text
