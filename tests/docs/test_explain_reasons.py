"""`qmtl explain` knows the reason codes too, and says where to look; it stays light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from qmtl.cli.explain import explain
from qmtl.engine.reasonhelp import look_at, stage_of
from qmtl.engine.reasons import Reason


def test_a_reason_has_its_meaning_its_step_and_where_to_look() -> None:
    done = CliRunner().invoke(explain, ["guard.entry"])
    assert done.exit_code == 0
    assert done.output.splitlines()[0] == "# guard.entry: an entry guard blocks this side"
    assert "said by: target, caps and entry guards (step 8)" in done.output
    assert "`entry_guards:` of the world" in done.output


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason], ids=lambda reason: reason.code)
def test_every_reason_has_a_step_and_a_place_to_look(reason: Reason) -> None:
    assert stage_of(reason)
    assert look_at(reason)
    assert reason.text in CliRunner().invoke(explain, [reason.code]).output


def test_no_denial_is_explained_with_the_help_of_another_one() -> None:
    denials = [reason for reason in Reason if reason.code.startswith("denied.")]
    helps = [look_at(reason) for reason in denials]
    assert len(denials) >= 14
    assert len(set(helps)) == len(helps)
    assert "borrow" in look_at(Reason.NOT_SHORTABLE)
    assert "open orders" in look_at(Reason.EXTERNAL_ORDER)
    assert not any("lot_size" in look_at(r) for r in (Reason.NOT_TRADABLE, Reason.NOT_SHORTABLE, Reason.EXTERNAL_ORDER))


def test_both_kinds_of_codes_can_be_asked_for_together() -> None:
    records = json.loads(CliRunner().invoke(explain, ["--format", "json", "Q0501", "cap.symbol"]).output)
    assert [record["code"] for record in records] == ["Q0501", "cap.symbol"]
    assert records[1]["title"] == "limited by the cap of one symbol"
    assert "max_symbol" in records[1]["page"]


@pytest.mark.parametrize(
    ("word", "guess"), [("guard.fear", "guard.entry"), ("cap.sybol", "cap.symbol"), ("Q050", "Q0501")]
)
def test_a_word_that_is_nearly_a_code_is_sent_to_it(word: str, guess: str) -> None:
    done = CliRunner().invoke(explain, [word])
    assert done.exit_code == 2
    assert f"did you mean {guess}?" in done.output


def test_the_list_ends_with_the_reasons() -> None:
    text = CliRunner().invoke(explain).output
    assert text.index("Q0801") < text.index("Reasons: what cases") < text.index("churn.deadband")


def test_explaining_a_reason_loads_no_numpy() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from qmtl.cli.explain import explain;"
        "CliRunner().invoke(explain, ['guard.entry']); sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
