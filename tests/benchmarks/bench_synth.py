"""How long 500 intent items take through a server that answers after a second, as fast models do, against the ideal of 64 at once.

Run: python tests/benchmarks/bench_synth.py

The server runs in a process of its own; no item falls, so that there is no top-up. The ideal is requests / 64 x latency: with
few requests no client reaches it, as the last round is not full, so that the bare rounds (each of 64 requests) stand beside it.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

LATENCY, AT_ONCE, ITEMS = 1.0, 64, 660
GOAL = 1.3  # of the ideal, or of full rounds where there are few requests


def reply(body: dict[str, Any]) -> str:
    """A text for each slip, that no other has."""
    prompt = str(next(turn["content"] for turn in body["messages"] if turn["role"] == "user"))
    rng = random.Random(json.dumps(body["messages"], ensure_ascii=False))
    numbers = map(int, re.findall(r"抽签单 (\d+)", prompt))
    signs = "涨跌买卖看好怎么样今天明天股票市场板块还能吗为什么"
    return json.dumps({"items": [{"number": n, "text": "".join(rng.choices(signs, k=16))} for n in numbers]})


def serve() -> None:
    """Answer until the process is ended; the first line says where."""
    from stub_llm import StubLLM

    with StubLLM(reply=reply, latency=LATENCY) as stub:
        sys.stdout.write(f"{stub.url}\n")
        sys.stdout.flush()
        time.sleep(3600)


def asking_seconds(url: str, per_request: int) -> float:
    """From the first request to the last answer, as the journal's file saw them: start and imports are left out."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "sk-for-tests"}
        command = [sys.executable, "-c", TIMED, "500", str(per_request)]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        return float(ran.stdout.splitlines()[-1])


TIMED = """
import sys, time
from fingen import cli
from fingen.teachers import job
seconds = []
ask = job.ask_live
def timed(*arguments, **options):
    started = time.perf_counter()
    try:
        return ask(*arguments, **options)
    finally:
        seconds.append(time.perf_counter() - started)
from fingen.teachers import asking
job.ask_live = timed
try:
    cli.main(["synth", "intent", "--n", sys.argv[1], "--teacher", "anthropic", "--per-request", sys.argv[2], "--quiet"])
except SystemExit as e:
    assert not e.code, e.code
print(sum(seconds))
"""


@pytest.mark.benchmark
def test_bench_synth() -> None:
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            for per_request in (1, 5):
                requests = math.ceil(ITEMS / per_request)
                ideal, rounds = requests / AT_ONCE * LATENCY, math.ceil(requests / AT_ONCE) * LATENCY
                seconds = sorted(asking_seconds(url, per_request) for _ in range(3))[1]
                print(f"{per_request} items a request, {requests} requests: {seconds:.2f} s; {seconds / ideal:.2f} of the ideal, "
                      f"{seconds / rounds:.2f} of full rounds of {AT_ONCE}; goal <= {GOAL}")  # fmt: skip
        finally:
            server.terminate()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else test_bench_synth()
