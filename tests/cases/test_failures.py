"""A failed case tells the way of its number, the scores, the guard and the input that is missing; nothing passes in silence
because an input is unknown."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qmtl.cli.graph import graph
from qmtl.cli.show import show
from qmtl.cli.test import test as command
from qmtl.cli.validate import validate
from tests.conftest import Golden

HEAD = """\
case: rules
world: small
at: 2026-01-06T10:30-05:00
bars: {SPY: 500, QQQ: 400}
regime: {p_trend_up: 70%, p_chop: 20%}
"""
WORLD = """\
version: 1
world: small
calendar: XNYS
universe: [SPY, QQQ, GLD]
sectors: {SPY: tech, QQQ: tech}
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum, channel_breakout], exposure: 90%}
  - {name: neutral, otherwise: true, strategies: [zscore_reversion], exposure: 65%}
allowlist: {SPY: [roc_momentum, channel_breakout], QQQ: [roc_momentum], GLD: [zscore_reversion]}
risk: {max_symbol: 15%, max_sector: 20%, max_total: 30%}
churn_guard: {min_target: 2%, deadband: 2%}
entry_guards:
  - {name: fear, block: long_entries, when: vix.close > 20, on_missing: block}
  - {name: calm, block: long_entries, when: close < 450, on_missing: block}
  - {name: slow, block: short_entries, when: "sma(close@60m, 30) > 100", on_missing: hold}
"""


@pytest.fixture
def project(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small world and a folder for cases."""
    (tmp_path / "worlds").mkdir()
    (tmp_path / "worlds" / "small.yaml").write_text(WORLD)
    shutil.copytree(root / "worlds" / "exchanges", tmp_path / "worlds" / "exchanges")
    (tmp_path / "cases").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(body: str, *options: str, head: str = HEAD) -> Result:
    Path("cases/rules.yaml").write_text(head + body)
    return CliRunner().invoke(command, [*options, "cases"])


@pytest.mark.parametrize(
    ("body", "way"),
    [
        ("signals: {SPY: {roc_momentum: long}}", "raw 100% -> cap.symbol 15% -> exposure (90%) 13.5%"),
        (
            "signals: {SPY: {roc_momentum: long}, QQQ: {roc_momentum: long}}\nmarket: {vix.close: 15}",
            "raw 100% -> cap.symbol 15% -> cap.sector (20%) 10% -> exposure (90%) 9%",
        ),
        ("signals: {SPY: {roc_momentum: {side: long, size: 2%}}}", "raw 2% -> churn.min_target (2%) 0%"),
        ("signals: {SPY: {roc_momentum: {side: long, size: 10%}}}", "raw 10% -> exposure (90%) 9%"),
        (
            "signals: {SPY: {roc_momentum: long}}\npositions: {SPY: 12.5%}",
            "raw 100% -> cap.symbol 15% -> exposure (90%) 13.5% -> churn.deadband (2%) 12.5%",
        ),
        (
            "signals: {SPY: {roc_momentum: long}}\nmarket: {vix.close: 25}",
            "raw 100% -> cap.symbol 15% -> exposure (90%) 13.5% -> guard fear 0%",
        ),
        ("signals: {SPY: {roc_momentum: flat}}\npositions: {SPY: 10%}", "raw 0%"),
        (
            "regime: missing\nmemory: {chain: trend, selected: {SPY: roc_momentum}}\nsignals: {SPY: {roc_momentum: long}}",
            "raw 100% -> no entry 0%",
        ),
        (
            "signals: {SPY: {roc_momentum: long}}\npositions: {SPY: {size: 10%, owner: roc_momentum, generation: other}}",
            "exposure (90%) 13.5% -> legacy_hold/pre_cutover_position 10%",
        ),
        (
            "signals: {SPY: {roc_momentum: short}}",
            "raw -100% -> cap.symbol -15% -> exposure (90%) -13.5% -> guard slow 0%",
        ),
    ],
)
def test_a_failed_target_shows_the_way_of_the_number(project: Path, body: str, way: str) -> None:
    head = HEAD if "regime:" not in body else HEAD.rpartition("regime:")[0]
    body += "" if "market:" in body else "\nmarket: {vix.close: 15}"
    done = run(f"{body}\nexpect: {{target: {{SPY: 44%}}}}\n", head=head)
    assert done.exit_code == 1
    assert way in done.output


def test_a_failed_selection_shows_scores_and_who_could_be_chosen(project: Path, golden: Golden) -> None:
    body = "signals: {SPY: {roc_momentum: long, channel_breakout: missing}}\nchart: {trend15: 1, mom15: 0.5}\n"
    done = run(
        f"{body}market: {{vix.close: 15}}\nexpect: {{selected: {{SPY: channel_breakout, QQQ: channel_breakout}}}}\n"
    )
    assert done.exit_code == 1
    golden("cases/selection.txt", done.output.partition("\n\n1 case")[0] + "\n")


def test_failed_orders_tell_the_reasons_of_their_symbols(project: Path) -> None:
    done = run("signals: {SPY: {roc_momentum: long}}\nmarket: {vix.close: 25}\nexpect: {orders: [{symbol: SPY}]}\n")
    assert "reasons of SPY:" in done.output
    assert "guard.entry: an entry guard blocks this side" in done.output
    assert "entry guard fear holds SPY back:\n      its condition holds" in done.output
    assert "QQQ" not in done.output.partition("FAILED  rules\n\n")[2]


def test_every_guard_that_acts_is_named_each_by_itself(project: Path) -> None:
    signals = "signals: {SPY: {roc_momentum: long}, QQQ: {roc_momentum: long}}\n"
    right = "expect: {guards: {SPY: fear, QQQ: [fear, calm]}, because: {QQQ: guard.entry}}\n"
    assert run(f"{signals}market: {{vix.close: 25}}\n{right}").exit_code == 0
    assert run(f"{signals}market: {{vix.close: 15}}\nexpect: {{guards: {{SPY: none, QQQ: calm}}}}\n").exit_code == 0
    done = run(f"{signals}market: {{vix.close: 15}}\nexpect: {{guards: {{QQQ: [fear, calm], SPY: []}}}}\n")
    assert done.exit_code == 1
    assert "entry guards of QQQ: expected fear, calm, got calm" in done.output


@pytest.mark.parametrize("words", ["fire", "[calm, fire]"])
def test_a_guard_that_the_world_does_not_have_is_unknown(project: Path, words: str) -> None:
    done = run(f"expect: {{guards: {{SPY: {words}}}}}\n")
    assert "unknown entry guard `fire`" in done.output
    assert "Q0808" not in done.output


def test_a_guard_in_place_of_a_reason_is_sent_to_guards(project: Path) -> None:
    done = run("expect: {because: {SPY: guard.fear}}\n")
    assert "`guards: {SPY: [fear]}`" in done.output


def test_a_missing_input_of_a_guard_is_named_when_the_case_fails_and_noted_when_it_passes(project: Path) -> None:
    signals = "signals: {SPY: {roc_momentum: long}}\n"
    fails = run(f"{signals}expect: {{orders: [{{symbol: SPY}}]}}\n")
    assert "it is unknown: vix.close has no value" in fails.output
    passes = run(f"{signals}expect: {{orders: []}}\n")
    assert passes.exit_code == 0
    note = "guard fear holds SPY back only because it is unknown: vix.close has no value"
    assert f"note: {note}" in passes.output
    assert json.loads(run(f"{signals}expect: {{orders: []}}\n", "--format", "json").output)["cases"][0]["notes"] == [
        note
    ]


def test_a_guard_that_is_warming_up_names_its_series(project: Path) -> None:
    body = "signals: {SPY: {roc_momentum: short}}\nmarket: {vix.close: 15}\n"
    done = run(f"{body}expect: {{orders: [], because: {{SPY: churn.deadband}}}}\n")
    assert "guard slow holds SPY back" in done.output
    assert "sma(close@60m) needs 30 60m bars" in done.output


@pytest.mark.parametrize(
    "body",
    [
        "market: {}\nsignals: {SPY: {roc_momentum: long}}\nexpect: {orders: []}",
        "market: {vix.close: _}\nsignals: {SPY: {roc_momentum: long}}\nexpect: {orders: []}",
        "market: {vix.close: 25}\nsignals: {SPY: {roc_momentum: long}}\nexpect: {orders: []}",
        "market: {vix.close: 15}\nsignals: {SPY: {roc_momentum: missing}}\nexpect: {orders: []}",
        "market: {vix.close: 15}\nexpect: {orders: [], because: {all: signal.unknown}}",
        "market: {vix.close: 15}\nsignals: {SPY: {roc_momentum: short}}\nexpect: {orders: [], because: {SPY: guard.hold}}",
    ],
)
def test_a_case_that_is_about_the_unknown_has_no_note(project: Path, body: str) -> None:
    done = run(body + "\n")
    assert done.exit_code == 0
    assert "note:" not in done.output


def test_no_signal_at_all_is_noted_once(project: Path) -> None:
    done = run("market: {vix.close: 15}\nexpect: {orders: []}\n")
    assert done.exit_code == 0
    (line,) = [line for line in done.output.splitlines() if "note:" in line]
    assert line.strip().startswith("note: nothing of SPY, QQQ is decided: no strategy of the chain has a known signal")


def warnings(body: str) -> list[str]:
    """Messages of Q0810 about a case."""
    Path("cases/rules.yaml").write_text(HEAD + body)
    done = CliRunner().invoke(validate, ["--format", "json", "cases"])
    return [d["message"] for d in json.loads(done.output)["diagnostics"] if d["code"] == "Q0810"]


def test_a_signal_for_a_pair_that_can_never_trade_is_said(project: Path) -> None:
    assert warnings("signals: {QQQ: {channel_breakout: long}}\nexpect: {orders: []}\n") == [
        "`channel_breakout` can never speak for QQQ: the allowlist does not enable it"
    ]
    world = Path("worlds/small.yaml")
    override = "exposure: 90%, overrides: {by_symbol: {QQQ: {strategies: [roc_momentum]}}}}"
    world.write_text(
        WORLD.replace("exposure: 90%}", override).replace(
            "QQQ: [roc_momentum]", "QQQ: [roc_momentum, channel_breakout]"
        )
    )
    told = warnings("signals: {QQQ: {channel_breakout: long}}\nexpect: {orders: []}\n")
    assert "`channel_breakout` can never speak for QQQ: no chain of QQQ names it" in told


@pytest.mark.parametrize(
    "body",
    [
        "signals: {QQQ: {roc_momentum: long}}\nexpect: {orders: []}",
        "signals: {GLD: {zscore_reversion: long}}\nexpect: {orders: []}",  # of another chain: only a run knows
        "signals: {QQQ: {roc_momentum: flat, channel_breakout: long}}\nexpect: {orders: []}",
        "signals: {QQQ: {channel_breakout: long}}\nexpect: {because: {QQQ: allowlist.disabled}}",
        (
            "signals: {QQQ: {channel_breakout: long}}\ncases:\n"
            "  - {name: a, expect: {orders: []}}\n  - {name: b, expect: {because: {QQQ: allowlist.disabled}}}"
        ),
    ],
)
def test_a_signal_that_may_count_or_is_the_point_of_the_case_is_not(project: Path, body: str) -> None:
    assert warnings(body + "\n") == []


def test_a_shared_signal_is_said_once(project: Path) -> None:
    body = "signals: {QQQ: {channel_breakout: long}}\ncases:\n"
    names = "".join(f"  - {{name: {name}, expect: {{orders: []}}}}\n" for name in "abc")
    assert len(warnings(body + names)) == 1


def test_coverage_is_of_the_worlds_of_the_cases_and_failures_stand_below_it(project: Path) -> None:
    Path("worlds/other.yaml").write_text(WORLD.replace("world: small", "world: other"))
    Path("cases/rules.yaml").write_text(HEAD + "expect: {chain: {SPY: neutral}}\n")
    text = CliRunner().invoke(command, ["cases", "worlds"]).output
    assert "coverage of other" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("coverage of small")]
    assert "not exercised: 1 chain, 6 guard answers" in line
    places = [text.index(words) for words in ("coverage of small", "chain of SPY: expected neutral", "1 case: 0 ok")]
    assert places == sorted(places)
    verbose = CliRunner().invoke(command, ["-v", "cases"]).output
    assert "  no case exercises guard: fear blocks, fear lets pass" in verbose
    least = CliRunner().invoke(command, ["--coverage-min", "1%", "cases", "worlds"])
    assert "the cases of other exercise 0% of its rules, not 1%" in least.output


BROKEN = "expect: {chain: nowhere}\n"


def errors_of(text: str) -> object:
    """What validate says, without its warnings."""
    whole = json.loads(text)
    kept = [found for found in whole["diagnostics"] if found["severity"] == "error"]
    return {**whole, "summary": {"errors": len(kept), "warnings": 0}, "diagnostics": kept}


def test_json_says_mistakes_as_validate_does(project: Path) -> None:
    done = run(BROKEN, "--format", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == errors_of(CliRunner().invoke(validate, ["--format", "json", "cases"]).stdout)


def test_junit_says_mistakes_as_errors(project: Path) -> None:
    done = run(BROKEN, "--format", "junit", "--junit", "report.xml")
    assert done.exit_code == 1
    assert done.stdout == Path("report.xml").read_text()
    suites = ET.fromstring(done.stdout)
    assert (suites.get("tests"), suites.get("errors")) == ("1", "1")
    ((case,),) = suites
    assert (case.get("name"), case.get("file"), case.get("line")) == ("Q0501", "cases/rules.yaml", "6")
    (error,) = case
    assert (error.tag, error.get("message")) == ("error", "unknown chain `nowhere`")


@pytest.mark.parametrize("tool", [show, graph])
def test_show_and_graph_say_mistakes_as_json(project: Path, tool: object) -> None:
    Path("worlds/small.yaml").write_text(WORLD.replace("roc_momentum, ch", "roc_momentun, ch"))
    done = CliRunner().invoke(tool, ["--format", "json", "worlds/small.yaml"])  # type: ignore[arg-type]
    assert done.exit_code == 1
    assert json.loads(done.stdout)["summary"]["errors"] >= 1


def test_a_picture_that_is_piped_away_holds_no_mistakes(project: Path) -> None:
    Path("worlds/small.yaml").write_text("world: small\n")
    done = CliRunner().invoke(graph, ["worlds/small.yaml"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "error[Q0202]" in done.stderr
