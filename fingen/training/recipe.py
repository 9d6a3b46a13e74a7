"""The recipe: LoRA by next-token loss on the answers alone, or any other objective of them. To be read from top to bottom.

transformers' Trainer runs it: optimizer, schedule, many devices, trackers, checkpoints, early stopping. What is different
here is the step. A step is `batch` rows of nearly one length; its loss is the mean over all their answer tokens, so cutting
it into smaller batches, for memory or for several processes, changes rounding and nothing else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import transformers
from accelerate import PartialState
from accelerate.utils import DistributedType
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, PrinterCallback, TrainingArguments

from fingen.config import Tuning
from fingen.errors import LimitError, UsageError
from fingen.training import checkpoints
from fingen.training.base import quiet
from fingen.training.callback import ProgressCallback
from fingen.training.data import Example, Steps, cut, deal
from fingen.training.forward import exact, predict
from fingen.training.schedule import rate, total_steps

Say = Callable[[str], None]
Judge = Callable[[Any, int], dict[str, float]]  # (model, tokens in a batch) -> figures of the validation rows' classes
# (model, rows, whether to compute a common prefix once) -> sums over the rows' answer tokens (or over pairs: `weight`), in
# float32 or better: LOSS is what is learned, the others are its terms, which the history tells.
Objective = Callable[[Any, Sequence[Example], bool], Mapping[str, torch.Tensor]]
LOSS = "loss"
FUSED = "query_key_value"  # ChatGLM's module; the same of others, Llama and Qwen, Phi-3, Baichuan:
QUERY_KEY_VALUE = ((FUSED,), ("q_proj", "k_proj", "v_proj"), ("qkv_proj",), ("W_pack",))
STEP_SEEDS = 1_000_003  # apart from each other for any two seeds and steps that a user would name
CLASS = "eval_class_"  # what the judge's figures are called among transformers'
TIE = 1e-9  # less than any difference of two macro F1: of equal ones the lower loss is the better
HISTORY_ROWS = 5000  # about as many a run leaves at most


@dataclass
class Trained:
    """What a training came to. Losses are means over answer tokens, in nats."""

    steps: int
    loss: float  # of the last step
    validation_loss: float | None  # of the weights that are kept
    classes: dict[str, float] | None  # what the judge said of the same, for a set with classes
    kept_step: int  # after which they were taken
    weights: dict[str, torch.Tensor] | None  # None: those in the model; else they were sharded, and these are all
    terms: dict[str, float] = field(
        default_factory=dict
    )  # of the objective, on the validation rows, by the same weights
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0  # trained on here, prompts included
    planned_steps: int = 0  # more than `steps` where the run ended early


def add_adapter(model: Any, tuning: Tuning) -> Any:
    """The base model with an untrained adapter; only the adapter's parameters can be trained.

    Raises:
        UsageError: the model has none of the target modules.
    """
    targets: str | list[str] = "all-linear"
    if tuning.targets != "all-linear":
        there = {name.rpartition(".")[2] for name, _ in model.named_modules()}
        wanted = find_targets(tuning.targets, there)
        if set(wanted) <= there:
            targets = wanted
        else:
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


def find_targets(targets: str, there: Collection[str]) -> list[str]:
    """The names of modules in `targets`; for ChatGLM's one module of query, key and value those of the base model."""
    own = next((names for names in QUERY_KEY_VALUE if set(names) <= set(there)), QUERY_KEY_VALUE[0])
    named = [name.strip() for name in targets.split(",")]
    return [each for name in named for each in (own if name == FUSED else (name,))]


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def loss_sum(model: Any, examples: Sequence[Example], pad: int, *, share: bool = True) -> torch.Tensor:
    """Cross entropy in nats, summed over the answer tokens of the rows, in float32 or better."""
    return functional.cross_entropy(*_predicted(model, examples, pad, share=share), reduction="sum")


def answer_logs(model: Any, examples: Sequence[Example], pad: int, *, share: bool = True) -> torch.Tensor:
    """(B,) log-probabilities of the answers of B rows, in nats, each summed over its tokens, in float32 or better."""
    logs = -functional.cross_entropy(*_predicted(model, examples, pad, share=share), reduction="none")
    return torch.stack([each.sum() for each in torch.split(logs, [len(example.places) for example in examples])])


def _predicted(model: Any, examples: Sequence[Example], pad: int, *, share: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What the model says at each answer token, (N, V), and which token stands there, (N,)."""
    places = [example.places for example in examples]
    logits = predict(model, [example.ids for example in examples], places, pad, share=share)
    labels = torch.tensor([token for example in examples for token in example.learned], device=logits.device)
    return exact(logits), labels


def answer_objective(pad: int) -> Objective:
    """Next-token loss on the answers: what `finetune` learns by."""
    return lambda model, rows, share: {LOSS: loss_sum(model, rows, pad, share=share)}


def fit(
    model: Any, train: Sequence[Example], validation: Sequence[Example], pad: int, tuning: Tuning, out: Path, run: str,
    *, say: Say = lambda text: None, judge: Judge | None = None, report_to: Sequence[str] = (),
    objective: Objective | None = None,
) -> Trained:  # fmt: skip
    """Train what can be trained of a model, from the newest checkpoint of this run in `out` if there is one.

    The weights that are kept are then in the model: those of the best evaluation, or the last ones.

    Args:
        model: with an adapter, or one that is trained as a whole.
        train: rows to learn.
        validation: rows that say which weights are best; may be empty.
        pad: token id that fills rows.
        tuning: the settings.
        out: the adapter's folder; it gets the history and, while the run lasts, its checkpoints.
        run: names the run; another's checkpoints are refused.
        say: takes lines of progress.
        judge: says how well the validation rows' classes are met; without it their loss decides.
        report_to: trackers by transformers' names.
        objective: what is learned; None: the answers, by next-token loss.

    Raises:
        Interrupted: the user stopped it; the state is stored.
        LimitError: out of memory with the smallest batches, or the disk is full.
        UsageError: the loss is no number, or checkpoints are damaged or another run's.
    """
    with PartialState().main_process_first():
        checkpoint = checkpoints.begin(out, run)
    started = time.monotonic()
    with quiet(), checkpoints.Stop() as stop:
        trainer = AnswerTrainer(
            model, _arguments(tuning, len(train), bool(validation), judge is not None, out, report_to),
            train, validation, objective or answer_objective(pad), tuning, say, judge,
        )  # fmt: skip
        watch = ProgressCallback(out, tuning.save_every, stop, say, trainer.accelerator)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(watch)
        for callback in trainer.callback_handler.callbacks:
            # TensorBoard's events would lie among the checkpoints, and go with them.
            if getattr(callback, "logging_dir", "") is None:
                callback.logging_dir = str(out / "runs")
        if tuning.patience is not None and validation:
            trainer.add_callback(EarlyStoppingCallback(tuning.patience))
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except (UnpicklingError, SafetensorError, EOFError, KeyError, ValueError, RuntimeError) as e:
            if watch.began or checkpoint is None:
                raise
            raise UsageError(f"{checkpoint}: damaged", hint="start anew with --replace") from e
    state = trainer.state
    kept = state.best_global_step if tuning.keep == "best" and state.best_global_step else state.global_step
    measured = next((row for row in state.log_history if row["step"] == kept and "eval_loss" in row), {})
    classes = {name.removeprefix(CLASS): value for name, value in measured.items() if name.startswith(CLASS)}
    before = f"eval_{LOSS}_"
    terms = {name.removeprefix(before): value for name, value in measured.items() if name.startswith(before)}
    return Trained(
        state.global_step, watch.loss, measured.get("eval_loss"), classes or None, kept,
        trainer.gathered_weights(), terms, trainer.notes, time.monotonic() - started, trainer.tokens, state.max_steps,
    )  # fmt: skip


def _arguments(
    tuning: Tuning, rows: int, evaluates: bool, by_class: bool, out: Path, report_to: Sequence[str]
) -> TrainingArguments:
    gpu = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(out / checkpoints.CHECKPOINTS),
        per_device_train_batch_size=tuning.batch,
        num_train_epochs=tuning.epochs,
        max_steps=tuning.steps or -1,
        learning_rate=tuning.learning_rate,
        weight_decay=tuning.weight_decay,
        max_grad_norm=tuning.max_grad_norm,
        bf16=gpu and tuning.load in ("bf16", "4bit", "8bit") and torch.cuda.is_bf16_supported(),
        fp16=gpu and tuning.load == "fp16",
        use_cpu=not gpu,
        seed=tuning.seed,
        eval_strategy="epoch" if evaluates else "no",
        save_strategy="epoch",  # and every `save_every` steps: see ProgressCallback
        save_total_limit=2,  # one of them is whole at any moment
        load_best_model_at_end=evaluates and tuning.keep == "best",
        metric_for_best_model=None if not evaluates else "eval_rank" if by_class else "eval_loss",
        restore_callback_states_from_checkpoint=True,
        logging_steps=1 + total_steps(tuning, rows) // HISTORY_ROWS,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a loss that is no number ends the run
        report_to=list(report_to) or "none",
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,  # they are the same everywhere; processes need not make equally many passes
        disable_tqdm=True,
        log_level="error",
        dataloader_pin_memory=False,
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # not torch's DataParallel: several devices are `accelerate launch`'s
    return arguments


class AnswerTrainer(transformers.Trainer):
    """transformers' Trainer with a step of its own."""

    model: Any
    objective: Objective

    def __init__(
        self, model: Any, arguments: TrainingArguments, train: Sequence[Example], validation: Sequence[Example],
        objective: Objective, tuning: Tuning, say: Say, judge: Judge | None,
    ) -> None:  # fmt: skip
        super().__init__(model, arguments, train_dataset=train, eval_dataset=validation or None)
        self.rows, self.held, self.tuning, self.say, self.judge = train, validation, tuning, say, judge
        self.objective = objective
        self.tokens_per_batch, self.tokens, self.notes = tuning.tokens_per_batch, 0, list[str]()
        self._terms = list[dict[str, torch.Tensor]]()  # of the steps since the history was last told
        # Sharded models make all passes together: there a common prefix is no pass of its own, and memory no one's alone.
        self.is_sharded = self.accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)
        if tuning.gradient_checkpointing:
            self._checkpoint_gradients()

    def get_train_dataloader(self) -> DataLoader[Example]:
        """Steps of rows: every process sees all rows of a step, and takes its share of them in `training_step`."""
        steps = Steps(
            [row.tokens for row in self.rows], self.tuning.batch, self.tuning.seed,
            lambda: self.state.global_step // len(steps),
        )  # fmt: skip
        return DataLoader(self.rows, batch_sampler=steps, collate_fn=list)  # type: ignore[arg-type]  # it indexes, no more

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The learning rate of each step: see `rate`."""
        if self.lr_scheduler is None:
            used: Any = optimizer or self.optimizer
            self.lr_scheduler = LambdaLR(used, partial(rate, self.tuning, num_training_steps))
        return self.lr_scheduler

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], int | None]:
        """The next step's rows, and what its loss is the mean over: the tokens that they are to learn, or the pairs."""
        rows = next(epoch_iterator, None)
        return ([rows], sum(row.weight for row in rows)) if rows else ([], None)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Gradients of a step's mean loss; where memory runs out it is done again, from its start, in smaller batches."""
        self.tokens += sum(row.tokens for row in inputs)
        while True:
            try:
                return self._gradients(model, inputs, num_items_in_batch)
            except RuntimeError as e:
                if not _out_of_memory(e):
                    raise
                model.zero_grad()
                self._use_less(max(row.size for row in inputs), e)

    def _gradients(self, model: Any, rows: Sequence[Example], weight_of_all: int) -> torch.Tensor:
        processes, step = self.accelerator.num_processes, self.state.global_step
        if self.tuning.dropout:  # what it draws follows from the step alone
            torch.manual_seed(self.tuning.seed * STEP_SEEDS + step * processes + self.accelerator.process_index)
        if not model.training:
            model.train()
        groups = deal(rows, self.tokens_per_batch, processes, self.accelerator.process_index)
        total = torch.zeros((), device=self.args.device)
        terms: dict[str, torch.Tensor] = {}
        for number, (group, weight) in enumerate(groups, 1):
            last = number == len(groups)
            # What the Trainer does for its own batches: processes meet, and DeepSpeed steps, at the last one.
            self.accelerator.gradient_state._set_sync_gradients(last)
            with nullcontext() if last else self.accelerator.no_sync(model):
                sums = self.objective(model, group, not self.is_sharded)
                loss = weight * sums[LOSS] / weight_of_all
                loss = loss * processes  # of whose gradients the mean is taken
                self.accelerator.backward(loss)
            total += loss.detach()
            for name in sums.keys() - {LOSS}:
                terms[name] = terms.get(name, 0) + weight * sums[name].detach() * processes / weight_of_all
        if not math.isfinite(total.item()):
            raise UsageError(
                f"step {step + 1}: the loss is {total.item()}",
                hint="pass a lower --learning-rate, or --load bf16 in place of fp16",
            )
        self._terms.append(terms)
        return total

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Tell the history the terms of the loss beside it, where it has any: means over the same steps."""
        if LOSS in logs:
            for name in sorted({name for step in self._terms for name in step}):
                mean = torch.stack([step[name] for step in self._terms]).mean()
                logs[f"{LOSS}_{name}"] = float(self.accelerator.reduce(mean, "mean").item())
            self._terms.clear()
        super().log(logs, start_time)

    def _use_less(self, longest: int, error: RuntimeError) -> None:
        if self.is_sharded:
            raise LimitError(
                f"out of memory with {self.tokens_per_batch} tokens in a batch, on a process of several",
                hint="pass a smaller --tokens-per-batch, then --override gradient_checkpointing=true",
            ) from error
        if self.tokens_per_batch > longest:
            self.tokens_per_batch = max(longest, self.tokens_per_batch // 2)
            self._note(f"out of memory: going on with {self.tokens_per_batch} tokens in a batch")
        elif not self.model.is_activation_checkpointing:
            self._checkpoint_gradients()
            self._note("out of memory: going on with gradient checkpointing")
        else:
            raise LimitError(
                "out of memory, with one row in a batch and gradient checkpointing",
                hint="pass --load 4bit, then --override cutoff=1024, then a smaller --rank",
            ) from error
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.say(text)

    def _checkpoint_gradients(self) -> None:
        base: Any = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        base.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Loss, and for classes macro F1, on the validation rows."""
        figures = {f"eval_{name}": value for name, value in self._evaluate_losses().items()}
        if self.judge is not None:
            judged = self.judge(self.model, self.tokens_per_batch)
            figures |= {f"{CLASS}{name}": value for name, value in judged.items()}
            figures["eval_rank"] = judged["macro_f1"] + TIE / (1 + figures["eval_loss"])
        self.log(dict(figures))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, figures)
        return figures

    def _evaluate_losses(self) -> dict[str, float]:
        groups = deal(self.held, self.tokens_per_batch, self.accelerator.num_processes, self.accelerator.process_index)
        found, of_all = {}, sum(row.weight for row in self.held)
        for name, total in evaluate(self.model, groups, self.objective, share=not self.is_sharded).items():
            summed = self.accelerator.reduce(torch.tensor(total, dtype=torch.float64, device=self.args.device), "sum")
            found[name if name == LOSS else f"{LOSS}_{name}"] = float(summed.item() / of_all)
        return found

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted."""
        return 0

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        try:
            if self.args.should_save:
                checkpoints.unmark(folder)
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                checkpoints.mark_whole(folder)
        except (
            OSError,
            RuntimeError,
            SafetensorError,
        ) as e:  # torch's zip writer turns a full disk into a RuntimeError
            raise LimitError(
                f"{folder}: cannot be written: {getattr(e, 'strerror', None) or e}",
                hint="free some disk space, then run the same command with --resume",
            ) from e

    def gathered_weights(self) -> dict[str, torch.Tensor] | None:
        """All weights of the adapter, where they are spread over processes; all of these have to ask."""
        return self.accelerator.get_state_dict(self.model_wrapped) if self.is_sharded else None


def evaluate(
    model: Any, groups: Sequence[tuple[Sequence[Example], float]], objective: Objective, *, share: bool = True
) -> dict[str, float]:
    """The sums of an objective over groups of rows, each by its weight."""
    to_evaluation(model)
    found: dict[str, list[float]] = {}
    with torch.no_grad():
        for group, weight in groups:
            for name, total in objective(model, group, share).items():
                found.setdefault(name, []).append(weight * total.item())
    return {name: math.fsum(totals) for name, totals in found.items()}


def to_evaluation(model: Any) -> None:
    """Put a model into evaluation mode, as one that will be trained further."""
    model.eval()
    for module in model.modules():
        # On CPUs with bf16 units a 4-bit layer packs its weights anew in the first evaluation, for a kernel without gradients,
        # and stays so: what were trained after it would get wrong gradients. It does not do that while it is training.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.training = True


def mean_loss(model: Any, examples: Sequence[Example], pad: int, tokens_per_batch: int) -> float:
    """Mean loss over the answer tokens of rows, in nats."""
    groups = [(group, 1.0) for group in cut(examples, tokens_per_batch)]
    return evaluate(model, groups, answer_objective(pad))[LOSS] / sum(len(example.places) for example in examples)


def _out_of_memory(error: RuntimeError) -> bool:
    # On a CPU torch raises a plain RuntimeError from its allocator.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
