"""A small world to be bent, and what is found in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qmtl.dsl.compile import validate
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.parser import parse_predicate
from qmtl.dsl.source import Source, Span
from qmtl.dsl.syntax import Expr
from qmtl.dsl.tree import Scalar

TODAY = "2026-06-15"

WORLD = """\
world: us
calendar: XNYS
universe: [SPY, QQQ]
chains:
{chains}
  - {{name: neutral, otherwise: true, strategies: [roc_momentum]}}
{more}
"""

Found = Callable[..., tuple[Diagnostic, ...]]


def chain(name: str, when: str, strategies: str = "roc_momentum", more: str = "") -> str:
    """One line of `chains`."""
    return f'  - {{name: {name}, when: "{when}", strategies: [{strategies}]{more}}}'


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """`found(chain(...), ..., more="risk: ...")`: what validate says about a world with these chains."""

    def check(*chains: str, more: str = "allowlist: all") -> tuple[Diagnostic, ...]:
        if "allowlist:" not in more:
            more = f"allowlist: all\n{more}"
        (tmp_path / "us.yaml").write_text(WORLD.format(chains="\n".join(chains), more=more))
        return validate([tmp_path], today=TODAY).diagnostics

    return check


def told(diagnostics: tuple[Diagnostic, ...]) -> list[tuple[str, str]]:
    """(code, what the main place covers)."""
    return [(d.code, d.span.text if d.span else "") for d in diagnostics]


def places(diagnostic: Diagnostic) -> list[str]:
    """What the labels cover."""
    return [label.span.text for label in diagnostic.labels]


def parsed(text: str) -> Expr:
    """The expression of a condition."""
    source = Source("x.yaml", text)
    expr, problems = parse_predicate(Scalar(text, Span(source, 0, len(text)), tuple(range(len(text) + 1))))
    assert expr is not None, problems
    return expr
