"""Colours and marks.

The six job colours (a job and five parents) have a contrast of at least 3:1 on white and on the dark theme's
background, and any two stay apart under protanopia, deuteranopia and tritanopia; tests/figures/test_palette.py computes
both. What a trial's end was is told by the shape of its mark, never by colour alone.
"""

from tuning.states import TrialState

JOB_COLOURS = ("#3a75bf", "#de7c00", "#ad3665", "#17a478", "#ac77fa", "#7f6612")
# The seventh job has the first colour again, with another dash and fill.
DASHES = ("solid", "dash", "dashdot", "longdash")
NEUTRAL = "#7b8794"

SYMBOLS = {
    TrialState.COMPLETED: "circle",
    TrialState.EARLY_STOPPED: "diamond-open",
    TrialState.STOPPED: "square-open",
    TrialState.FAILED: "x",
    TrialState.LOST: "x",
    TrialState.QUEUED: "triangle-up-open",  # one that runs again; else it has no dot yet
    TrialState.STARTING: "circle-open",
    TrialState.RUNNING: "circle-open",
    TrialState.STOPPING: "circle-open",
    TrialState.PAUSED: "circle-open-dot",
}
SYMBOL_MEANING = {
    "circle": "completed",
    "diamond-open": "stopped early",
    "square-open": "stopped",
    "x": "failed",
    "circle-open": "running",
    "triangle-up-open": "queued again",
    "circle-open-dot": "paused",
}


def colour(index: int) -> str:
    return JOB_COLOURS[index % len(JOB_COLOURS)]


def dash(index: int) -> str:
    return DASHES[index // len(JOB_COLOURS) % len(DASHES)]


def translucent(hex_colour: str, alpha: float) -> str:
    """``#rrggbb`` as an rgba() text."""
    red, green, blue = (int(hex_colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
