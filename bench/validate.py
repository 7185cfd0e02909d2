"""What checking costs: `qmtl validate` beside a bare `yaml.load` (C loader) with one reused jsonschema validator.

    python bench/validate.py [--files 1000] [--seed 1] [--rounds 3]

A corpus of worlds is generated from a seed (`worldcorpus.py`). Both sides read the same files, each in a process of its own,
taking turns; the least time of the rounds counts. The clock runs from the first file to the last result, with the imports
done before. The peer checks the shape of a document and nothing else; ours also parses and types every condition, looks up
every name, and works out warm-up and breadth.

The cold start is measured with whole processes: `qmtl validate` of the shipped world beside the bare import of the libraries
that it stands on, with compiled bytecode on disk for both.

Last line: one JSON object {ratio, files, ours_ms, base_ms, cold_ratio, cold_ms, import_ms}, times per file or per start.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from worldcorpus import write_corpus

ROOT = Path(__file__).resolve().parents[1]
OURS = """
import json, sys, time
from qmtl.dsl.compile import validate
began = time.perf_counter()
found = validate([sys.argv[1]])
spent = time.perf_counter() - began
errors = [d.message for d in found.diagnostics if d.severity == "error"]
print(json.dumps({"ms": spent * 1e3, "files": len(found.documents), "errors": errors[:3], "warnings": len(found.diagnostics)}))
"""
BASE = """
import json, sys, time
from pathlib import Path
import jsonschema, yaml
began = time.perf_counter()
schemas = {name: json.loads(Path(sys.argv[2], name + ".v1.json").read_text()) for name in ("world", "exchange")}
validators = {name: jsonschema.Draft7Validator(schema) for name, schema in schemas.items()}
errors, files = [], 0
for path in sorted(Path(sys.argv[1]).rglob("*.yaml")):
    document = yaml.load(path.read_text(), Loader=yaml.CLoader)
    errors += validators["world" if "world" in document else "exchange"].iter_errors(document)
    files += 1
spent = time.perf_counter() - began
print(json.dumps({"ms": spent * 1e3, "files": files, "errors": [e.message for e in errors[:3]], "warnings": 0}))
"""
LIBRARIES = "import yaml, lark, click, jsonschema"
STARTS = 7


def child(script: str, *arguments: str) -> dict[str, float]:
    """What one process measured over the corpus."""
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout)
    if result["errors"]:
        raise SystemExit(f"the corpus is not valid: {result['errors']}")
    return result


def corpus(files: int, seed: int, rounds: int) -> dict[str, float]:
    """Milliseconds per file of both sides: the least of the rounds."""
    ours, base = [], []
    with tempfile.TemporaryDirectory() as folder:
        paths = write_corpus(Path(folder), files, seed)
        for _ in range(rounds):
            base.append(child(BASE, folder, str(ROOT / "schemas")))
            ours.append(child(OURS, folder))
    assert {side["files"] for side in (*ours, *base)} == {len(paths)}, "both sides read the same files"
    ours_ms, base_ms = (min(side["ms"] for side in sides) / len(paths) for sides in (ours, base))
    return {"files": len(paths), "ours_ms": ours_ms, "base_ms": base_ms, "warnings": ours[0]["warnings"]}


def cold(starts: int = STARTS) -> tuple[float, float]:
    """Milliseconds of a cold `qmtl validate` of one world, and of importing the libraries it stands on."""
    ours, base = [], []
    qmtl = [sys.executable, "-m", "qmtl", "validate", str(ROOT / "worlds" / "us_core.yaml")]
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        for round_ in range(starts + 1):
            times = [_seconds(command, env) for command in (qmtl, [sys.executable, "-c", LIBRARIES])]
            if round_:  # the first one writes the bytecode
                ours.append(times[0])
                base.append(times[1])
    return min(ours) * 1e3, min(base) * 1e3


def _seconds(command: list[str], env: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return spent


def main() -> None:
    """Print the table and the JSON line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    warm = corpus(chosen.files, chosen.seed, chosen.rounds)
    cold_ms, import_ms = cold()
    ratio, cold_ratio = warm["ours_ms"] / warm["base_ms"], cold_ms / import_ms
    print(f"{'':24} {'qmtl validate':>14} {'bare':>10} {'ratio':>7}")
    print(f"{'ms per file':24} {warm['ours_ms']:>14.2f} {warm['base_ms']:>10.2f} {ratio:>7.2f}")
    print(f"{'ms per cold start':24} {cold_ms:>14.0f} {import_ms:>10.0f} {cold_ratio:>7.2f}")
    print(f"{warm['files']:.0f} files, {warm['warnings']:.0f} warnings")
    out = {"ratio": ratio, "files": warm["files"], "ours_ms": warm["ours_ms"], "base_ms": warm["base_ms"]}
    out |= {"cold_ratio": cold_ratio, "cold_ms": cold_ms, "import_ms": import_ms}
    print(json.dumps({name: round(value, 3) for name, value in out.items()}))


if __name__ == "__main__":
    main()
