"""The figures: each made once, in Python, for the page, the REST client, a notebook and a report alike.

One file per figure. Its ``collect`` turns jobs into a frozen dataclass of numbers, its ``draw`` turns those into a
`Drawing`, a plotly figure in its JSON form (``.figure()`` is the plotly object); what cannot be drawn (yet) becomes
`Unavailable` with a sentence why. ``FIGURES`` names them all.

How a page reads a figure, beyond plotly's own meaning:

* every trace has ``meta``: ``role`` (trials, best, parameter, density, rug, curve, ends, key), ``job``, and where it
  applies ``metric``, ``parameter``, ``value``, ``trial``. The parts of these are as stored; names that are shown are
  escaped. Traces with a dot per trial have the trial's number in ``customdata``; a curve has it in ``meta``.
* ``layout.meta`` says what a page needs to add points as they arrive: ``x`` (kind, and unit and origins where the axis
  counts time from a beginning), ``symbols`` (trial state -> marker symbol), ``notes`` (sentences, also the subtitle).
* times are milliseconds since 1970 UTC. Numbers are plain lists: rounded to the digits that can be seen they are
  smaller on the wire, compressed, than base64 of float32, and a page can append to them.
"""

from collections.abc import Mapping

from hpt_web.figures import curves, density, parameter, progress, usage
from hpt_web.figures.data import (
    Curve,
    Drawing,
    FigureKind,
    FigureOptions,
    JobTrials,
    ParameterAxis,
    TrialPoint,
    Unavailable,
    parameter_axes,
)
from hpt_web.figures.layout import to_document

FIGURES: Mapping[str, FigureKind] = {
    kind.name: kind for kind in (progress.KIND, parameter.KIND, density.KIND, curves.KIND, usage.KIND)
}

__all__ = [
    "FIGURES",
    "Curve",
    "Drawing",
    "FigureKind",
    "FigureOptions",
    "JobTrials",
    "ParameterAxis",
    "TrialPoint",
    "Unavailable",
    "parameter_axes",
    "to_document",
]
