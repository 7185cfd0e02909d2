"""What `qmtl show` says of rows that hold no more, and of an exchange that nobody named."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from click.testing import CliRunner

from qmtl.cli.show import show
from qmtl.dsl.compile import compile_world
from qmtl.dsl.effective import AllowedRow, Ended, effective

WORLD = """\
world: us
calendar: XNYS
universe: [IWM, DIA]
chains:
  - {name: n, otherwise: true, strategies: [roc_momentum, zscore_reversion]}
allowlist: q
"""
ROWS = """\
allowlist: q
rows:
  - {symbol: IWM, strategy: roc_momentum}
  - {symbol: IWM, strategy: zscore_reversion, until: 2020-12-31}
  - {symbol: DIA, strategy: roc_momentum, until: 2020-01-01}
"""


def written(folder: Path) -> Path:
    (folder / "us.yaml").write_text(WORLD)
    (folder / "q.yaml").write_text(ROWS)
    return folder / "us.yaml"


def test_a_row_is_over_from_the_day_after_its_last(tmp_path: Path) -> None:
    compiled = compile_world(written(tmp_path))
    ended = Ended("zscore_reversion", "2021-01-01")
    assert effective(compiled, "IWM", today="2020-12-31").allowed == (
        AllowedRow("IWM", ("roc_momentum", "zscore_reversion")),
    )
    assert effective(compiled, "IWM", today="2021-01-01").allowed == (AllowedRow("IWM", ("roc_momentum",), (ended,)),)
    assert asdict(effective(compiled, "IWM"))["allowed"][0]["over"] == (asdict(ended),)


def test_show_says_since_when_a_row_is_over(tmp_path: Path) -> None:
    shown = CliRunner().invoke(show, [str(written(tmp_path))]).output
    lines = shown.partition("allowlist\n")[2].splitlines()
    assert lines == [
        "  IWM  roc_momentum, zscore_reversion (over since 2021-01-01)",
        "  DIA  roc_momentum (over since 2020-01-02)",
    ]


def test_show_names_no_exchange_that_the_world_could_not_name(tmp_path: Path) -> None:
    path = written(tmp_path)
    values = {value.path: value.text for value in effective(compile_world(path)).settings}
    assert values["exchange"].startswith("none: ")
    (tmp_path / "venue.yaml").write_text("exchange: venue\nlot_size: 5\n")
    path.write_text(WORLD + "exchange: venue\n")
    values = {value.path: value.text for value in effective(compile_world(path)).settings}
    assert (values["exchange"], values["exchange.lot_size"]) == ("venue", "5")
