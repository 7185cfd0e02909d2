"""Colour is for terminals, and only where the user has not asked for none."""

from __future__ import annotations

import io

import pytest

from qmtl.cli.colour import coloured


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "wanted"), [("", True), ("1", False)])
def test_a_terminal_is_coloured_unless_no_color_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, no_color: str, wanted: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    assert coloured(Terminal()) is wanted


def test_a_pipe_is_never_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not coloured(io.StringIO())
