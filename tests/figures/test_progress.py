"""F95, F99, F100: dots by start time, best so far, several jobs."""

import orjson
import pytest

from hpt_web.figures import FIGURES, FigureOptions, Unavailable, progress, to_document
from tests.figures.jobs import T0, job, trial
from tuning.states import Goal, TrialState


def collected(*jobs: object, kind: str = "start") -> progress.Progress:
    result = progress.collect(list(jobs), kind)  # type: ignore[arg-type]
    assert isinstance(result, progress.Progress)
    return result


def test_dots_are_in_order_of_start_and_the_line_steps_where_the_best_improves() -> None:
    """F95: cumulative maximum over start times, drawn on to the last dot."""
    line = collected(job([trial(3, 0.8), trial(1, 0.5), trial(2, 0.7), trial(4, 0.6)])).jobs[0]
    assert line.numbers == (1, 2, 3, 4)
    assert line.x == (T0 + 10, T0 + 20, T0 + 30, T0 + 40)
    assert line.best_x == (T0 + 10, T0 + 20, T0 + 30, T0 + 40)
    assert line.best_y == (0.5, 0.7, 0.8, 0.8)


def test_a_job_that_minimises_keeps_the_lowest() -> None:
    line = collected(job([trial(1, 0.5), trial(2, 0.7), trial(3, 0.2)], goal=Goal.MINIMIZE)).jobs[0]
    assert line.best_y == (0.5, 0.2)


def test_running_failed_and_lost_trials_do_not_make_the_best() -> None:
    trials = [
        trial(1, 0.5),
        trial(2, 0.9, TrialState.RUNNING),
        trial(3, 0.95, TrialState.FAILED),
        trial(4, 0.99, TrialState.LOST),
    ]
    line = collected(job(trials)).jobs[0]
    assert line.best_y == (0.5, 0.5)
    assert len(line.x) == 4


def test_trials_without_an_objective_are_dropped_and_counted() -> None:
    """F100."""
    figure = progress.draw(collected(job([trial(1, 0.5), trial(2, None), trial(3, float("nan"))]))).figure()
    assert list(figure.data[0].customdata) == [1]
    assert "2 trials without an objective not shown." in figure.layout.title.subtitle.text


def test_elapsed_and_number_are_other_axes() -> None:
    assert collected(job([trial(2, 0.5), trial(5, 0.6)]), kind="elapsed").jobs[0].x == (0.0, 30.0)
    assert collected(job([trial(2, 0.5), trial(5, 0.6)]), kind="number").jobs[0].x == (2.0, 5.0)


def test_marks_tell_how_a_trial_ended() -> None:
    """F100: another shape for early-stopped trials."""
    figure = progress.draw(collected(job([trial(1, 0.5), trial(2, 0.4, TrialState.EARLY_STOPPED)]))).figure()
    assert list(figure.data[0].marker.symbol) == ["circle", "diamond-open"]
    assert "stopped early" in [trace.name for trace in figure.data if trace.meta["role"] == "key"]


def test_several_jobs_have_their_own_colour_and_roles() -> None:
    """F99."""
    figure = progress.draw(collected(job([trial(1, 0.5)]), job([trial(1, 0.6)], name="b"))).figure()
    roles = [(trace.meta["role"], trace.meta.get("job")) for trace in figure.data if trace.meta["role"] != "key"]
    assert roles == [("trials", "a"), ("best", "a"), ("trials", "b"), ("best", "b")]
    assert figure.data[0].marker.color != figure.data[2].marker.color
    assert figure.data[1].line.color == figure.data[0].marker.color
    assert (figure.data[1].line.dash, figure.data[1].line.shape) == ("dot", "hv")


def test_different_objectives_are_said_not_to_compare() -> None:
    jobs = [job([trial(1, 0.5)]), job([trial(1, 3.0)], name="b", metric="loss", goal=Goal.MINIMIZE)]
    figure = progress.draw(collected(*jobs)).figure()
    assert "b minimizes loss" in figure.layout.title.subtitle.text
    assert figure.layout.yaxis.title.text == "objective"


def test_the_best_line_passes_through_its_dot_however_large_the_numbers() -> None:
    """All that shares an axis is rounded alike."""
    trials = [trial(n, 1e9 + n * 7.3) for n in range(1, 9)]
    dots, best = progress.draw(collected(job(trials, goal=Goal.MINIMIZE, metric="loss"))).data[:2]
    assert best["y"] == [dots["y"][0]] * 2
    assert len(set(dots["y"])) == 8


def test_more_jobs_than_colours_are_told_apart_by_pointing() -> None:
    jobs = [job([trial(1, 0.5)], name=str(number)) for number in range(7)]
    assert "colours repeat" in progress.draw(collected(*jobs)).layout["title"]["subtitle"]["text"]
    assert "subtitle" not in progress.draw(collected(*jobs[:6])).layout["title"]


def test_webgl_above_five_thousand_dots() -> None:
    few = progress.draw(collected(job([trial(i, 0.5) for i in range(1, 5001)]))).figure()
    many = progress.draw(collected(job([trial(i, 0.5) for i in range(1, 5002)]))).figure()
    assert few.data[0].type == "scatter"
    assert many.data[0].type == "scattergl"


def test_the_document_is_plain_json_with_times_in_milliseconds_and_no_theme() -> None:
    document = to_document(progress.draw(collected(job([trial(1, 0.123456789), trial(2, 0.9)]))))
    figure = orjson.loads(orjson.dumps(document))["figure"]
    assert figure["data"][0]["x"] == [int(T0 + 10) * 1000, int(T0 + 20) * 1000]
    assert figure["data"][0]["y"] == [0.12346, 0.9]
    assert "template" not in figure["layout"]
    assert "paper_bgcolor" not in figure["layout"]
    assert figure["layout"]["meta"]["symbols"]["EarlyStopped"] == "diamond-open"
    assert figure["layout"]["meta"]["x"]["origins"] == {"a": int(T0 + 10) * 1000}


def test_names_of_users_are_shown_literally() -> None:
    """A metric may be called anything; plotly would render tags and templates."""
    figure = progress.draw(collected(job([trial(1, 0.5)], metric="<b>f1</b> %{x}"))).figure()
    assert figure.layout.yaxis.title.text == "&lt;b&gt;f1&lt;/b&gt; %&#123;x}"
    assert "&lt;b&gt;f1" in figure.data[0].hovertemplate
    assert figure.data[0].meta["metric"] == "<b>f1</b> %{x}"


@pytest.mark.parametrize(
    ("trials", "says"),
    [
        ([], "No trial has been started yet."),
        (
            [trial(1, None), trial(2, None, TrialState.RUNNING)],
            "of 2 trials, 1 ended without a value and 1 are on the way",
        ),
    ],
)
def test_what_cannot_be_drawn_says_why(trials: list, says: str) -> None:
    result = progress.collect([job(trials)])
    assert isinstance(result, Unavailable)
    assert says in result.reason
    assert to_document(result) == {"unavailable": result.reason}


def test_an_unknown_axis_and_no_job_say_what_to_choose() -> None:
    unknown = FIGURES["progress"].build([job([trial(1, 0.5)])], FigureOptions(x="moon"))
    assert unknown == Unavailable("The horizontal axis cannot be 'moon'; choose one of start, elapsed, number.")
    assert FIGURES["progress"].build([], FigureOptions()) == Unavailable("Choose at least one job to draw.")
