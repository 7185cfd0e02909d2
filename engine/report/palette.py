"""Colours of a page in its two themes, as data, so that contrast and colour blindness are laws of the tests.

In: nothing. Out: `LIGHT` and `DARK` and the style sheet variables made of them. Gains are blue and losses claret: red and
green are one colour to one man in twelve. Bands that lie on each other differ in lightness and carry their name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

#: the four steps of a heat colour, weakest first
Shades = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Palette:
    """One theme. `bands` and `regimes` are fills on which `on_band` and `on_regime` can be read."""

    paper: str
    raised: str
    ink: str
    quiet: str
    hair: str
    grid: str
    account: str
    market: str
    rival: str
    gain: str
    loss: str
    wash: str
    alarm: str
    alarm_paper: str
    gains: Shades
    losses: Shades
    regimes: tuple[str, str, str]
    on_regime: tuple[str, str, str]
    bands: tuple[str, ...]
    on_band: tuple[str, ...]


LIGHT: Final = Palette(
    paper="#fcfbf8",
    raised="#f4f2ec",
    ink="#1b1c1f",
    quiet="#5d6068",
    hair="#d9d5cb",
    grid="#e7e4dc",
    account="#0b4f8a",
    market="#7f7a72",
    rival="#a8500f",
    gain="#0b4f8a",
    loss="#a3164a",
    wash="#d5e2ee",
    alarm="#a3164a",
    alarm_paper="#fbeef1",
    gains=("#e6eff7", "#cbdff0", "#a8c9e6", "#83b1da"),
    losses=("#fbe9ec", "#f5cfd7", "#ecaebb", "#e08c9f"),
    regimes=("#86b4dc", "#e4ddcd", "#d88a72"),
    on_regime=("#1b1c1f", "#1b1c1f", "#1b1c1f"),
    bands=("#1f4e79", "#e3b04b", "#86b4dc", "#a2493a", "#d6d0c2", "#4f7030", "#c9a0c4", "#5a5560"),
    on_band=("#fcfbf8", "#1b1c1f", "#1b1c1f", "#fcfbf8", "#1b1c1f", "#fcfbf8", "#1b1c1f", "#fcfbf8"),
)

DARK: Final = Palette(
    paper="#14161a",
    raised="#1c1f25",
    ink="#e9e7e2",
    quiet="#a4a7ae",
    hair="#3a3e46",
    grid="#262a31",
    account="#7fb8f0",
    market="#8d9099",
    rival="#f0a35e",
    gain="#7fb8f0",
    loss="#f48aa2",
    wash="#1f3247",
    alarm="#f48aa2",
    alarm_paper="#2c1a20",
    gains=("#1a2531", "#1f3347", "#25425f", "#2c5279"),
    losses=("#2c1c22", "#44232f", "#5e2a3c", "#7a3149"),
    regimes=("#3573ab", "#4b4d53", "#8f3d27"),
    on_regime=("#ffffff", "#e9e7e2", "#ffffff"),
    bands=("#2b5d8c", "#e0ab45", "#9cc7ec", "#9b4434", "#55575d", "#9db86f", "#6b4a78", "#c9c5bc"),
    on_band=("#ffffff", "#14161a", "#14161a", "#ffffff", "#ffffff", "#14161a", "#ffffff", "#14161a"),
)


def variables(palette: Palette) -> str:
    """`--ink:#1b1c1f;...`; colours of a tuple are numbered from 1."""
    found = []
    for field in fields(palette):
        value: str | tuple[str, ...] = getattr(palette, field.name)
        label = field.name.replace("_", "-")
        if isinstance(value, str):
            found.append(f"--{label}:{value}")
        else:
            found += [f"--{label}-{i}:{colour}" for i, colour in enumerate(value, 1)]
    return ";".join(found)


def themes() -> str:
    """Rules that put the variables into force: light, dark where the system or the reader wants it, light on paper."""
    light, dark = variables(LIGHT), variables(DARK)
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )
