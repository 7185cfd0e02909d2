"""Deployments: their own text, and how their worlds go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.compile import compile_deployment
from qmtl.dsl.model import Clock, FilesFeed, PaperBroker, SyntheticFeed

SHORT = """\
world: us
calendar: XNYS
universe: [SPY, QQQ, ON]
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum, atr_ratchet], exposure: 90%}
  - {name: neutral, otherwise: true, strategies: [roc_momentum]}
allowlist: all
"""


DEPLOYMENT = "deployment: demo\nworlds: [us.yaml]\nfeed: {kind: synthetic, seed: 3}\n"


def test_a_deployment_with_defaults(tmp_path: Path) -> None:
    (tmp_path / "us.yaml").write_text(SHORT)
    (tmp_path / "demo.yaml").write_text(DEPLOYMENT)
    compiled = compile_deployment(tmp_path / "demo.yaml")
    deployment = compiled.deployment
    assert deployment is not None
    assert (deployment.mode, deployment.worlds, deployment.account, deployment.out) == (
        "dry",
        ("us.yaml",),
        "paper",
        "out",
    )
    assert (deployment.feed, deployment.broker, deployment.clock) == (SyntheticFeed(seed=3), PaperBroker(), Clock())
    assert len(compiled.programs) == 1
    assert {tmp_path / "demo.yaml", tmp_path / "us.yaml"} <= set(compiled.files)


def test_flags_replace_paths_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "us.yaml").write_text(SHORT)
    (tmp_path / "prod.yaml").write_text(DEPLOYMENT.replace("synthetic, seed: 3", "files, bars: nowhere, delay: 5s"))
    (found,) = compile_deployment(tmp_path / "prod.yaml").diagnostics
    assert (found.code, found.span.text if found.span else "") == ("Q0704", "nowhere")
    given = compile_deployment(
        tmp_path / "prod.yaml", {"feed.bars": "/data", "feed.vix": "/vix", "out": "/o"}
    ).deployment
    assert given is not None
    assert given.feed == FilesFeed("/data", "15m", 5, "/vix")
    assert given.out == "/o"


@pytest.mark.parametrize(
    ("second", "worlds", "code"),
    [
        (SHORT.replace("world: us", "world: eu").replace("SPY, QQQ, ON", "SPY, X"), "us.yaml, eu.yaml", "Q0702"),
        (SHORT.replace("world: us", "world: eu").replace("SPY, QQQ, ON", "X"), "us.yaml, eu.yaml", "Q0703"),
        (SHORT, "us.yaml, eu.yaml", "Q0209"),
        ("exchange: x\n", "us.yaml, eu.yaml", "Q0701"),
        (SHORT, "us.yaml, none.yaml", "Q0704"),
    ],
)
def test_worlds_that_do_not_go_together(tmp_path: Path, second: str, worlds: str, code: str) -> None:
    (tmp_path / "us.yaml").write_text(SHORT)
    (tmp_path / "eu.yaml").write_text(second)
    (tmp_path / "demo.yaml").write_text(DEPLOYMENT.replace("us.yaml", worlds))
    compiled = compile_deployment(tmp_path / "demo.yaml")
    assert [d.code for d in compiled.diagnostics if d.severity == "error"] == [code]
    assert compiled.deployment is None
    assert compiled.programs == ()


def test_shares_of_too_many_worlds_are_one_mistake_with_the_whole_sum(tmp_path: Path) -> None:
    for name, share in (("a", ""), ("b", "capital: 30%\n"), ("c", "capital: 30%\n")):
        text = SHORT.replace("world: us", f"world: {name}").replace("SPY, QQQ, ON", name.upper()) + share
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "demo.yaml").write_text(DEPLOYMENT.replace("us.yaml", "a.yaml, b.yaml, c.yaml"))
    found = [d for d in compile_deployment(tmp_path / "demo.yaml").diagnostics if d.code == "Q0703"]
    assert [d.message for d in found] == ["the worlds together ask for 160% of the account"]
    assert [(label.span.text, label.text) for label in found[0].labels] == [
        ("a.yaml", "`a` asks for 100%"),
        ("30%", "`b` asks for 30%"),
        ("30%", "`c` asks for 30%"),
    ]


def test_worlds_on_different_exchanges_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "us.yaml").write_text(SHORT + "capital: 50%\n")
    (tmp_path / "venue.yaml").write_text("exchange: other\nlot_size: 10\n")
    other = SHORT.replace("world: us", "world: eu").replace("SPY, QQQ, ON", "X")
    (tmp_path / "eu.yaml").write_text(other + "capital: 50%\nexchange: other\n")
    (tmp_path / "demo.yaml").write_text(DEPLOYMENT.replace("us.yaml", "us.yaml, eu.yaml"))
    found = [d for d in compile_deployment(tmp_path / "demo.yaml").diagnostics if d.severity == "error"]
    assert [d.code for d in found] == ["Q0705"]
    assert "different exchanges" in found[0].message


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("clock: {kind: wall, start: 2025-10-01}\n", "2025-10-01"),
        ("clock: {kind: wall}\n", "files"),
    ],
)
def test_a_wall_clock_fits_neither_days_nor_files(more: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "us.yaml").write_text(SHORT)
    feed = DEPLOYMENT.replace("synthetic, seed: 3", "files, bars: .") if text == "files" else DEPLOYMENT
    (tmp_path / "demo.yaml").write_text(feed + more)
    (found,) = (d for d in compile_deployment(tmp_path / "demo.yaml").diagnostics if d.severity == "error")
    assert found.code == "Q0705"
    assert found.span is not None
    assert found.span.text == text


def test_errors_of_a_world_are_told_with_the_deployment(tmp_path: Path) -> None:
    (tmp_path / "us.yaml").write_text(SHORT.replace("atr_ratchet", "atr_rachet"))
    (tmp_path / "demo.yaml").write_text(DEPLOYMENT)
    assert [d.code for d in compile_deployment(tmp_path / "demo.yaml").diagnostics] == ["Q0503"]


def test_a_replay_that_ends_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "us.yaml").write_text(SHORT)
    (tmp_path / "demo.yaml").write_text(DEPLOYMENT + "clock: {start: 2025-10-01, end: 2025-09-01}\n")
    assert [d.code for d in compile_deployment(tmp_path / "demo.yaml").diagnostics] == ["Q0705"]
