"""`fingen --help` imports click and next to nothing else. Counted in modules, not in time: that is in benchmarks/."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "accelerate",
    "anthropic",
    "bitsandbytes",
    "datasets",
    "httpx2",
    "huggingface_hub",
    "jinja2",
    "numpy",
    "openai",
    "pandas",
    "peft",
    "pyarrow",
    "pydantic",
    "pymupdf",
    "rapidfuzz",
    "rich",
    "sklearn",
    "torch",
    "transformers",
    "yaml",
}
MOST = 40  # modules beyond those of click; the standard library's are counted too
LIST = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
HELP = """
import sys
sys.argv = ["fingen", "--help"]
from fingen.cli import main
try:
    main()
except SystemExit as e:
    assert e.code in (0, None), e.code
"""


def modules_of(code: str) -> set[str]:
    run = subprocess.run([sys.executable, "-c", code + "\n" + LIST], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stderr.splitlines()[-1]))


def test_help_imports_little_beyond_click():
    beyond = modules_of(HELP) - modules_of("import click")

    assert "fingen.cli" in beyond
    assert not {name.partition(".")[0] for name in beyond} & HEAVY
    assert len(beyond) < MOST, sorted(beyond)
