"""The recipe: LoRA by next-token loss on the answers alone. To be read from top to bottom.

A step is `batch` rows, whatever fits into memory at once: its loss is the mean over all answer tokens of the step, so
cutting it into smaller batches changes rounding and nothing else. Order, learning rate and random numbers of a step follow
from the seed and the number of the step; with weights and optimizer they are all that a checkpoint has to hold.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional

from fingen.config import Tuning
from fingen.errors import LimitError, UsageError
from fingen.training.base import quiet
from fingen.training.checkpoints import Checkpoint, State, Stop
from fingen.training.data import IGNORED, Batch, Example, collate, cut, rows_of_step, steps_per_epoch

Say = Callable[[str], None]
STEP_SEEDS = 1_000_003  # apart from each other for any two seeds and steps that a user would name
SAY_SECONDS = 10.0  # between two lines of progress


@dataclass
class Trained:
    """What a training came to. Losses are means over answer tokens, in nats."""

    steps: int
    loss: float  # of the last step
    validation_loss: float | None  # of the weights that are kept
    kept_step: int  # after which they were taken
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0  # trained on here, prompts included


def add_adapter(model: Any, tuning: Tuning) -> Any:
    """The base model with an untrained adapter; only the adapter's parameters can be trained.

    Raises:
        UsageError: the model has none of the target modules.
    """
    targets: str | list[str] = "all-linear"
    if tuning.targets != "all-linear":
        wanted = [name.strip() for name in tuning.targets.split(",")]
        there = {name.rpartition(".")[2] for name, _ in model.named_modules()}
        if set(wanted) <= there:
            targets = wanted
        elif wanted != ["query_key_value"]:  # ChatGLM's name; the recipes that have it take all layers elsewhere
            missing = ", ".join(sorted(set(wanted) - there))
            raise UsageError(f"targets: the base model has no {missing}", hint="pass --override targets=all-linear")
    torch.manual_seed(tuning.seed)
    config = LoraConfig(
        r=tuning.rank,
        lora_alpha=tuning.alpha,  # type: ignore[arg-type]  # a share of the rank may be no whole number
        lora_dropout=tuning.dropout,
        target_modules=targets,
        use_rslora=tuning.rslora,
        use_dora=tuning.dora,
        task_type="CAUSAL_LM",
    )
    with quiet():
        return get_peft_model(model, config)


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def answer_logits(model: Any, batch: Batch) -> torch.Tensor:
    """What the model predicts for each answer position: (B, A, V). The head runs at these positions only."""
    wanted = batch.labels.shape[1] + 1  # the position before each answer token predicts it
    extra = {"logits_to_keep": wanted} if "logits_to_keep" in forward_arguments(model) else {}
    out = model(input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False, **extra)
    logits: torch.Tensor = out.logits[:, -wanted:-1]
    return logits


def forward_arguments(model: Any) -> set[str]:
    """What the base model's forward takes."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inspect.signature(base.forward).parameters)


def loss_sum(model: Any, batch: Batch) -> torch.Tensor:
    """Cross entropy summed over the answer tokens of a batch, in float32 or better."""
    logits = answer_logits(model, batch).flatten(0, 1)  # (B * A, V)
    exact = logits if logits.dtype == torch.float64 else logits.float()
    return functional.cross_entropy(exact, batch.labels.flatten(), ignore_index=IGNORED, reduction="sum")


def learning_rate(step: int, steps: int, tuning: Tuning) -> float:
    """Of a step (from 0): a straight rise to the top, then the schedule down to nothing at `steps`."""
    warmup = int(tuning.warmup) if tuning.warmup >= 1 else math.ceil(tuning.warmup * steps)
    if step < warmup:
        return tuning.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    falls = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
    return tuning.learning_rate * falls[tuning.schedule]


def count_steps(rows: int, tuning: Tuning) -> int:
    """Steps of a whole run."""
    return tuning.steps or tuning.epochs * steps_per_epoch(rows, tuning.batch)


class Trainer:
    """A model in training: `run` goes from where the state is to the end."""

    def __init__(self, model: Any, pad: int, tuning: Tuning, checkpoint: Checkpoint, say: Say) -> None:
        self.model, self.pad, self.tuning, self.checkpoint, self.say = model, pad, tuning, checkpoint, say
        self.parameters = trainable(model)
        self.device = next(model.parameters()).device
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=tuning.learning_rate, weight_decay=tuning.weight_decay
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=tuning.load == "fp16")
        self.tokens_per_batch = tuning.tokens_per_batch
        self.notes: list[str] = []
        self.checkpointing = False
        if tuning.gradient_checkpointing:
            self._checkpoint_gradients()

    def run(self, train: Sequence[Example], validation: Sequence[Example]) -> Trained:
        """Train to the end, and leave the weights that are kept in the model.

        Raises:
            Interrupted: the user stopped it; the state is stored.
            LimitError: out of memory with the smallest batches, or the disk is full.
        """
        steps, epoch = count_steps(len(train), self.tuning), steps_per_epoch(len(train), self.tuning.batch)
        state = self._restore() or State()
        since, tokens, said = time.monotonic(), 0, 0.0
        with Stop() as stop:
            while state.step < steps and not state.ended:
                rows = rows_of_step(train, state.step, self.tuning.batch, self.tuning.seed)
                row = self._step(rows, state.step, steps)
                tokens += sum(len(example.ids) for example in rows)
                state.step += 1
                state.loss = row["loss"]
                self.checkpoint.log({"step": state.step, "epoch": round(state.step / epoch, 4), **row})
                if validation and (state.step % epoch == 0 or state.step == steps):
                    self._validate(validation, state)
                if time.monotonic() - said > SAY_SECONDS or state.step == steps:
                    said = time.monotonic()
                    self.say(
                        f"step {state.step} of {steps} | loss {state.loss:.4f} | {tokens / (said - since):,.0f} tokens/s"
                    )
                if stop.asked or state.step % self.tuning.save_every == 0:
                    self._store(state)
                    stop.end(f"interrupted after step {state.step} of {steps}; it is stored")
        kept_loss, kept_step = state.last_loss, state.step
        if state.best:
            self._put(state.best)
            kept_loss, kept_step = state.best_loss, state.best_step or state.step
        return Trained(state.step, state.loss, kept_loss, kept_step, self.notes, time.monotonic() - since, tokens)

    def _step(self, rows: list[Example], step: int, steps: int) -> dict[str, Any]:
        """One step; where memory runs out it is done again, from its start, in smaller batches."""
        while True:
            try:
                return self._try_step(rows, step, steps)
            except RuntimeError as e:
                if not _out_of_memory(e):
                    raise
                self.optimizer.zero_grad()
                self._use_less(max(len(example.ids) for example in rows), e)

    def _try_step(self, rows: list[Example], step: int, steps: int) -> dict[str, Any]:
        torch.manual_seed(self.tuning.seed * STEP_SEEDS + step)  # what dropout draws follows from the step alone
        rate = learning_rate(step, steps, self.tuning)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        self.model.train()
        supervised = sum(example.answer for example in rows)
        total = torch.zeros((), device=self.device)
        for group in cut(rows, self.tokens_per_batch):
            loss = loss_sum(self.model, collate(group, self.pad, self.device))
            self.scaler.scale(loss / supervised).backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            total += loss.detach()
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.tuning.max_grad_norm).item()
        mean = total.item() / supervised
        # In fp16 a gradient may overflow now and then: the scaler leaves such a step out and scales less.
        overflow = not math.isfinite(norm)
        if not math.isfinite(mean) or (overflow and not self.scaler.is_enabled()):
            raise UsageError(
                f"step {step + 1}: the loss is {mean}, the norm of its gradient {norm}",
                hint="pass a lower --learning-rate, or --load bf16 in place of fp16",
            )
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        return {
            "loss": mean,
            "learning_rate": rate,
            "gradient_norm": None if overflow else norm,
            "answer_tokens": supervised,
        }

    def _use_less(self, longest: int, error: RuntimeError) -> None:
        if self.tokens_per_batch > longest:
            self.tokens_per_batch = max(longest, self.tokens_per_batch // 2)
            self._note(f"out of memory: going on with {self.tokens_per_batch} tokens in a batch")
        elif not self.checkpointing:
            self._checkpoint_gradients()
            self._note("out of memory: going on with gradient checkpointing")
        else:
            raise LimitError(
                "out of memory, with one row in a batch and gradient checkpointing",
                hint="pass --load 4bit, then --override cutoff=1024, then a smaller --rank",
            ) from error
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.say(text)

    def _checkpoint_gradients(self) -> None:
        base = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        base.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        self.checkpointing = True

    def _validate(self, validation: Sequence[Example], state: State) -> None:
        loss = evaluate(self.model, validation, self.pad, self.tokens_per_batch)
        self.checkpoint.log({"step": state.step, "validation_loss": loss})
        self.say(f"step {state.step} | validation loss {loss:.4f}")
        state.last_loss, state.worse = loss, state.worse + 1
        if state.best_loss is None or loss < state.best_loss:
            state.best_loss, state.best_step, state.worse = loss, state.step, 0
            if self.tuning.keep == "best":
                state.best = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        state.ended = self.tuning.patience is not None and state.worse >= self.tuning.patience

    def _put(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])

    def _store(self, state: State) -> None:
        self.checkpoint.save(state, self.parameters, self.optimizer.state_dict(), self.scaler.state_dict())

    def _restore(self) -> State | None:
        loaded = self.checkpoint.load(self.device)
        if loaded is None:
            return None
        self._put(loaded.weights)
        self.optimizer.load_state_dict(loaded.optimizer)
        self.scaler.load_state_dict(loaded.scaler)
        self.say(f"going on after step {loaded.state.step}")
        return loaded.state


def evaluate(model: Any, examples: Sequence[Example], pad: int, tokens_per_batch: int) -> float:
    """Mean loss over the answer tokens of `examples`, in nats."""
    device = next(model.parameters()).device
    model.eval()
    for module in model.modules():
        # On CPUs with bf16 units a 4-bit layer packs its weights anew in the first evaluation, for a kernel without gradients,
        # and stays so: what were trained after it would get wrong gradients. It does not do that while it is training.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.training = True
    with torch.no_grad():
        losses = [loss_sum(model, collate(group, pad, device)).item() for group in cut(examples, tokens_per_batch)]
    return math.fsum(losses) / sum(example.answer for example in examples)


def _out_of_memory(error: RuntimeError) -> bool:
    # On a CPU torch raises a plain RuntimeError from its allocator.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
