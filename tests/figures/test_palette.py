"""The job colours can be read in both themes and by people who see fewer colours."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from hpt_web.figures import palette
from tuning.states import TrialState

DARK_BACKGROUND = "#11151c"
# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> NDArray[np.float64]:
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, other))
    return high / low


def oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ottosson's OKLab, in which distances are about perceived differences; 0.02 is just noticeable."""
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return to_lab @ np.cbrt(to_lms @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize("colour", [*palette.JOB_COLOURS, palette.NEUTRAL])
@pytest.mark.parametrize("background", ["#ffffff", DARK_BACKGROUND])
def test_contrast_on_both_themes(colour: str, background: str) -> None:
    assert contrast(colour, background) >= 2.95


@pytest.mark.parametrize("vision", VISION)
def test_any_two_jobs_can_be_told_apart(vision: str) -> None:
    for one, other in itertools.combinations(palette.JOB_COLOURS, 2):
        distance = np.linalg.norm(oklab(VISION[vision] @ linear(one)) - oklab(VISION[vision] @ linear(other)))
        assert distance > 0.08, (one, other)


def test_the_seventh_job_differs_from_the_first_by_its_dash() -> None:
    assert palette.colour(6) == palette.colour(0)
    assert palette.dash(6) != palette.dash(0)


def test_every_state_has_a_mark_with_a_meaning() -> None:
    assert set(palette.SYMBOLS) == set(TrialState)
    assert set(palette.SYMBOLS.values()) == set(palette.SYMBOL_MEANING)
