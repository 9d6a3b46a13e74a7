"""What a training run tells while it lasts: its history, lines of progress, when to store its state, when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from fingen.disk import dump_json, open_atomic
from fingen.errors import Interrupted
from fingen.training.checkpoints import HISTORY, Stop

SAY_SECONDS = 10.0  # between two lines of progress
NAMES = {"loss": "loss", "learning_rate": "learning_rate", "grad_norm": "gradient_norm", "eval_loss": "validation_loss",
         "eval_class_macro_f1": "validation_macro_f1", "eval_class_accuracy": "validation_accuracy"}  # fmt: skip
TERM = (
    "loss_"  # what the terms of a loss, where it has several, begin with: behind `eval_` those of the validation rows
)


class ProgressCallback(TrainerCallback):
    """Watches one run. `loss` is the last step's, in nats."""

    def __init__(self, out: Path, save_every: int, stop: Stop, say: Callable[[str], None], accelerator: Any) -> None:
        self.history, self.save_every, self.stop, self.say, self.accelerator = (
            out / HISTORY,
            save_every,
            stop,
            say,
            accelerator,
        )
        self.began, self.loss = False, float("nan")
        self._said = self._since = 0.0
        self._first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the history as the checkpoint knows it."""
        self.began = True
        self._first, self._since = state.global_step, time.monotonic()
        self.loss = next((row["loss"] for row in reversed(state.log_history) if "loss" in row), self.loss)
        if state.global_step:
            self.say(f"going on after step {state.global_step}")
        if state.is_world_process_zero:
            with open_atomic(self.history) as file:
                file.writelines(_line(row) for row in state.log_history)

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Add the newest row to the history: it reaches the disk now."""
        row = state.log_history[-1]
        if "loss" in row:
            self.loss = row["loss"]
        if not state.is_world_process_zero or not any(name in row for name in NAMES):
            return
        with self.history.open("a", encoding="utf-8", newline="\n") as file:
            file.write(_line(row))
        now = time.monotonic()
        if "eval_loss" in row:
            f1 = f" | macro F1 {row['eval_class_macro_f1']:.3f}" if "eval_class_macro_f1" in row else ""
            self.say(f"step {state.global_step} | validation loss {row['eval_loss']:.4f}{f1}")
        elif now - self._said > SAY_SECONDS or state.global_step == state.max_steps:
            self._said, done = now, state.global_step - self._first
            left = (state.max_steps - state.global_step) * (now - self._since) / max(done, 1)
            self.say(f"step {state.global_step} of {state.max_steps} | loss {self.loss:.4f} | {left:,.0f} s left")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Store the state every so many steps, and when somebody wants to stop."""
        if self.accelerator.num_processes > 1:  # all of them stop, or none
            asked = torch.tensor(float(self.stop.asked), device=self.accelerator.device)
            self.stop.asked = bool(self.accelerator.reduce(asked, "sum").item())
        # At the end of an epoch it is stored after the evaluation: a run that goes on from there has that.
        is_end = state.global_step >= state.max_steps or float(state.epoch).is_integer()
        if not is_end and (self.stop.asked or state.global_step % self.save_every == 0):
            control.should_log = control.should_save = True  # a resumed run's next mean starts where this one's does

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop, where that was asked for: the state is stored."""
        if self.stop.asked:
            raise Interrupted(
                f"interrupted after step {state.global_step} of {state.max_steps}; it is stored",
                hint="run the same command with --resume to go on",
            )


def _line(row: dict[str, Any]) -> str:
    named = {NAMES[name]: row[name] for name in NAMES if name in row}
    named |= {
        name.replace("eval_", "validation_"): value
        for name, value in sorted(row.items())  # as it is where it was read back
        if name.removeprefix("eval_").startswith(TERM)
    }
    return dump_json({"step": row["step"], "epoch": round(row["epoch"], 4), **named}) + "\n" if named else ""
