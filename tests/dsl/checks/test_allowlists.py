"""Q0611, Q0615 and Q0616 by symbol: what a chain gives a symbol counts, and rows for symbols that no world has."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.compile import validate

from .conftest import TODAY, Found, chain, places, told

UNIVERSE = "[SPY, QQQ]"
WIDER = "[SPY, QQQ, GLD]"
REPLACED = "overrides: {by_symbol: {SPY: {strategies: [bb_rsi_reversion]}, QQQ: {strategies: [bb_rsi_reversion]}}}"
CHOP = chain("chop", "p_chop > 0.6", "zscore_reversion", f", {REPLACED}")


def world(folder: Path, name: str, universe: str, more: str, chains: str = "") -> None:
    text = f"world: {name}\ncalendar: XNYS\nuniverse: {universe}\nchains:\n{chains}\n"
    text += f"  - {{name: neutral, otherwise: true, strategies: [roc_momentum]}}\n{more}\n"
    (folder / f"{name}.yaml").write_text(text)


# ---- overrides


def test_a_chain_is_dead_when_each_symbol_allows_only_what_it_gives_others(tmp_path: Path) -> None:
    rows = "{SPY: [zscore_reversion, roc_momentum], QQQ: [zscore_reversion, roc_momentum], GLD: [roc_momentum, bb_rsi_reversion]}"
    world(tmp_path, "us", WIDER, f"allowlist: {rows}", CHOP)
    dead, replaced, other = validate([tmp_path], today=TODAY).diagnostics
    assert told((dead, replaced, other)) == [
        ("Q0611", "zscore_reversion"),
        ("Q0615", "zscore_reversion"),
        ("Q0615", "bb_rsi_reversion"),
    ]
    assert "any strategy that the chain `chop` gives it" in dead.message
    assert replaced.message.startswith("no chain gives `SPY`, `QQQ` the strategy `zscore_reversion`")
    assert places(replaced) == ["SPY", "zscore_reversion"]
    assert places(other) == ["chains"]


def test_a_chain_lives_by_one_symbol_that_allows_what_it_has_there(tmp_path: Path) -> None:
    rows = "{SPY: [bb_rsi_reversion], QQQ: [roc_momentum, bb_rsi_reversion], GLD: [zscore_reversion]}"
    world(tmp_path, "us", WIDER, f"allowlist: {rows}", CHOP)
    assert validate([tmp_path], today=TODAY).diagnostics == ()


def test_a_strategy_is_dead_when_only_symbols_with_an_override_allow_it(tmp_path: Path) -> None:
    rows = "{SPY: [bb_rsi_reversion, roc_momentum, zscore_reversion], QQQ: [bb_rsi_reversion], GLD: [roc_momentum]}"
    world(tmp_path, "us", WIDER, f"allowlist: {rows}", CHOP)
    found = validate([tmp_path], today=TODAY).diagnostics
    assert told(found) == [("Q0616", "zscore_reversion"), ("Q0615", "zscore_reversion")]
    assert found[0].message == "no symbol that has `zscore_reversion` in the chain `chop` allows it"


def test_sectors_count_and_a_symbol_beats_its_sector(tmp_path: Path) -> None:
    both = "{by_sector: {index: {strategies: [bb_rsi_reversion]}}, by_symbol: {QQQ: {strategies: [atr_ratchet]}}}"
    up = chain("wild", "p_high_vol > 0.6", "bear_probability", f", overrides: {both}")
    sectors = "sectors: {SPY: index, QQQ: index}\n"
    world(
        tmp_path,
        "us",
        UNIVERSE,
        f"{sectors}allowlist: {{SPY: [roc_momentum, atr_ratchet], QQQ: [bb_rsi_reversion]}}",
        up,
    )
    found = validate([tmp_path], today=TODAY).diagnostics
    assert [d.code for d in found] == ["Q0611", "Q0615", "Q0615"]
    assert [places(d) for d in found[1:]] == [["index"], ["QQQ"]]


# ---- symbols that no world has

ROWS = """\
allowlist: q
rows:
  - {symbol: SPY, strategy: roc_momentum}
  - {symbol: QQQ, strategy: roc_momentum}
  - {symbol: IWN, strategy: roc_momentum}
  - {symbol: IWN, strategy: zscore_reversion}
"""


@pytest.mark.parametrize("paths", [(".",), ("us.yaml",), ("q.yaml",)])
def test_a_row_for_a_symbol_of_no_world_is_told_whatever_is_checked(paths: tuple[str, ...], tmp_path: Path) -> None:
    world(tmp_path, "us", "[SPY, QQQ]", "allowlist: q")
    (tmp_path / "q.yaml").write_text(ROWS)
    (one,) = validate([tmp_path / path for path in paths], today=TODAY).diagnostics
    assert told((one,)) == [("Q0615", "IWN")]
    assert one.message == "no world that names the allowlist `q` has the symbol `IWN`"
    assert places(one) == ["IWN", "universe"]
    assert one.help == "add it to the `universe` of a world, or drop the row"


def test_a_row_for_a_symbol_of_no_world_has_a_suggestion_and_its_place_in_a_csv(tmp_path: Path) -> None:
    world(tmp_path, "us", "[IWM, DIA]", "allowlist: q")
    (tmp_path / "q.yaml").write_text("allowlist: q\ncsv: q.csv\n")
    lines = "IWM,roc_momentum,true,,", "DIA,roc_momentum,true,,", "IWN,roc_momentum,true,typo,"
    (tmp_path / "q.csv").write_text("\n".join(("symbol,strategy,enabled,reason,until", *lines)) + "\n")
    (one,) = validate([tmp_path / "us.yaml"], today=TODAY).diagnostics
    assert told((one,)) == [("Q0615", "IWN")]
    assert str(one.span).endswith("q.csv:4:1")
    assert one.help == "did you mean `IWM`?"


def test_a_symbol_in_small_letters_is_one_mistake(tmp_path: Path) -> None:
    world(tmp_path, "us", "[IWM, DIA]", "allowlist: q")
    (tmp_path / "q.yaml").write_text(ROWS.replace("SPY", "IWM").replace("QQQ", "DIA").replace("IWN", "dia"))
    found = validate([tmp_path], today=TODAY).diagnostics
    assert [d for d in found if d.span and d.span.text == "dia"]
    assert len({d.span for d in found}) == len(found)
    assert any("DIA" in d.help for d in found)


def test_a_row_may_serve_another_world_near_by_one_that_extends_among_them(tmp_path: Path) -> None:
    world(tmp_path, "us", "[SPY, QQQ]", "allowlist: q")
    (tmp_path / "small.yaml").write_text("world: small\nextends: us\nuniverse: [IWN]\n")
    (tmp_path / "q.yaml").write_text(ROWS)
    assert validate([tmp_path / "us.yaml"], today=TODAY).diagnostics == ()
    assert not [d for d in validate([tmp_path], today=TODAY).diagnostics if d.span and d.span.text == "IWN"]


def test_nothing_is_said_of_an_allowlist_that_no_world_names(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(ROWS)
    assert validate([tmp_path], today=TODAY).diagnostics == ()
    world(tmp_path, "us", "[SPY, QQQ]", "allowlist: all")
    assert validate([tmp_path], today=TODAY).diagnostics == ()


# ---- Q0609


@pytest.mark.parametrize(
    ("name", "text", "way"),
    [
        ("us.qmtl", "allow SPY: roc_momentum", "`allow QQQ: []`"),
        ("us.qmtl", "allowlist { SPY roc_momentum }", "`QQQ []`"),
        ("us.yaml", "allowlist: {SPY: [roc_momentum]}", "`QQQ: []`"),
        ("us.yaml", "allowlist: q", "`enabled` false"),
    ],
)
def test_q0609_says_what_the_text_in_use_can_say(name: str, text: str, way: str, found: Found, tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text("allowlist: q\nrows: [{symbol: SPY, strategy: roc_momentum}]\n")
    if name == "us.yaml":
        (one,) = found(more=text)
    else:
        block = f"world us {{ calendar XNYS; universe SPY, QQQ; otherwise n {{ use roc_momentum }}; {text} }}\n"
        (tmp_path / name).write_text(block)
        (one,) = validate([tmp_path], today=TODAY).diagnostics
    assert one.code == "Q0609"
    assert way in one.help
    if way.startswith(("`QQQ", "`allow")):  # what the help says is valid
        said = way.strip("`")
        whole = (tmp_path / name).read_text()
        new = {"`QQQ []`": f"roc_momentum; {said} }}; }}", "`allow QQQ: []`": f"roc_momentum; {said} }}"}.get(way)
        if new:
            whole = whole[: whole.rindex("roc_momentum")] + new
        else:
            whole = whole.replace("{SPY: [roc_momentum]}", f"{{SPY: [roc_momentum], {said}}}")
        (tmp_path / name).write_text(whole)
        assert validate([tmp_path], today=TODAY).diagnostics == ()
