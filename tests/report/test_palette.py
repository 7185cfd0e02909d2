"""Laws of colour: text can be read (WCAG 2.2 AA) in both themes, and layers can be told apart by colour-blind readers."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from qmtl.engine.report.palette import DARK, LIGHT, Palette

BOTH = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])

#: linear RGB of what dichromats see (Machado, Oliveira and Fernandes 2009, severity 1)
SIGHTS = {
    "normal": np.eye(3),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    dark, light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (light + 0.05) / (dark + 0.05)


def distance(a: str, b: str, sight: np.ndarray) -> float:
    """CIE76 distance of two colours as somebody with that sight sees them."""
    labs = []
    for colour in (a, b):
        share = _XYZ @ np.clip(sight @ linear(colour), 0, 1) / [0.9505, 1.0, 1.089]
        f = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
        labs.append(np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]))
    return float(np.linalg.norm(labs[0] - labs[1]))


def test_black_on_white_has_the_contrast_that_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@BOTH
def test_text_has_a_contrast_of_4_5_on_every_ground_it_stands_on(theme: Palette) -> None:
    for text in (theme.ink, theme.quiet, theme.gain, theme.loss, theme.alarm, theme.account, theme.rival):
        assert contrast(text, theme.paper) >= 4.5
    for text in (theme.ink, theme.quiet, theme.alarm):
        assert contrast(text, theme.raised) >= 4.5
        assert contrast(text, theme.alarm_paper) >= 4.5
    for shade in (*theme.gains, *theme.losses):
        assert contrast(theme.ink, shade) >= 4.5


@BOTH
def test_names_can_be_read_on_their_layer(theme: Palette) -> None:
    for fill, text in (
        *zip(theme.regimes, theme.on_regime, strict=True),
        *zip(theme.bands, theme.on_band, strict=True),
    ):
        assert contrast(fill, text) >= 4.5, (fill, text)


@BOTH
def test_lines_have_a_contrast_of_3(theme: Palette) -> None:
    for stroke in (theme.account, theme.market, theme.rival, theme.loss, theme.ink):
        assert contrast(stroke, theme.paper) >= 3


@BOTH
@pytest.mark.parametrize("sight", SIGHTS)
def test_neighbouring_layers_differ_for_every_sight(theme: Palette, sight: str) -> None:
    for a, b in (*pairwise(theme.bands), *pairwise(theme.regimes)):
        assert distance(a, b, SIGHTS[sight]) >= 20, (a, b)


@BOTH
@pytest.mark.parametrize("sight", SIGHTS)
def test_the_first_five_chains_all_differ_for_every_sight(theme: Palette, sight: str) -> None:
    for a, b in (*combinations(theme.bands[:5], 2), (theme.gain, theme.loss), (theme.account, theme.rival)):
        assert distance(a, b, SIGHTS[sight]) >= 15, (a, b)
