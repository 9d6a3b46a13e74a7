"""Files of rows and settings that lie, nest and swell: each ends in time, in memory, and as what it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hostile_rows
import pytest
from patience import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="makes pipes, and asks /proc for the memory")
SECONDS, BYTES, SAID = 10.0, 1 << 30, 10_000


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All of them in one process of their own, which has no memory of this one's."""
    ran = subprocess.run(
        [sys.executable, hostile_rows.__file__, tmp_path_factory.mktemp("rows")],
        capture_output=True, text=True, timeout=5 * PATIENCE, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found: dict[str, dict[str, Any]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("name", hostile_rows.CASES)
def test_a_hostile_file_is_a_typed_error_in_time_and_memory(outcomes: dict[str, dict[str, Any]], name: str):
    found = outcomes[name]
    said = found["said"]

    assert found["code"] == hostile_rows.CASES[name][1], said
    assert "Traceback" not in said
    assert found["length"] < SAID
    assert found["code"] == 0 or ("Error: " in said and "  -> " in said), said
    assert not any(Path(path).name == "ran" for path in found["written"])
    assert found["seconds"] < SECONDS
    assert found["bytes"] < BYTES
