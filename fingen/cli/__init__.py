"""The command line. A command parses, calls one function, and prints one summary; stages are imported when it runs."""

from __future__ import annotations

import importlib
from typing import Any

import click

from fingen import __version__
from fingen.errors import Interrupted, did_you_mean

# Group -> command -> (module, one line on it). A module is imported when its command is asked for, not for `fingen --help`.
GROUPS = {
    "begin": {
        "doctor": (
            "fingen.cli.doctor",
            "Say what is installed, set and in order here, and what to type where it is not.",
        ),
        "init": ("fingen.cli.init", "Write a fingen.toml and an .env.example that say what can be set."),
        "completion": ("fingen.cli.completion", "Print the script by which a shell completes what you type."),
        "help": ("fingen.cli.help", "Read about a topic, or every option: `fingen help` lists the topics."),
    },
    "make": {
        "pdf2qa": ("fingen.cli.pdf2qa", "Read reports and make a question-answer set of them."),
        "synth": ("fingen.cli.synth", "Make items that no document gives: exactly so many, balanced."),
        "import": ("fingen.cli.import_", "Make a set of data that others published."),
        "prefer": ("fingen.cli.prefer", "Make pairs of a better and a worse answer of what a set has rejected."),
        "mix": ("fingen.cli.mix", "Make one set of several, each repeated as often as you say."),
        "gather": ("fingen.cli.gather", "Make one set of the parts that several machines made."),
        "prompts": ("fingen.cli.prompts", "Show and copy the templates that teachers are asked with."),
    },
    "check": {
        "verify": ("fingen.cli.verify", "Check every row anew: quotes, figures, duplicates, splits."),
        "show": ("fingen.cli.show", "Show a record with its evidence, and where that stands."),
        "review": ("fingen.cli.review", "Judge the rows of a set in the browser, each beside its page."),
        "dedup": ("fingen.cli.rework", "Filter a set anew: other sets, benchmarks, personal data."),
        "split": ("fingen.cli.rework", "Divide a set afresh into train, validation and test."),
        "trace": ("fingen.cli.trace", "Show what rests on a report, row, set or model, and what it rests on."),
        "withdraw": ("fingen.cli.withdraw", "Make sets anew without a report; say what is out of date then."),
        "journal": ("fingen.cli.journal", "Show what a set has asked, and what that cost."),
    },
    "publish": {
        "export": ("fingen.cli.export", "Write a set in the form that another tool reads."),
        "push": ("fingen.cli.push", "Publish a set or an adapter on the Hugging Face Hub, private, documented."),
        "pull": ("fingen.cli.pull", "Bring a set or an adapter back from the Hub, or a set of others."),
    },
    "tune": {
        "models": ("fingen.cli.models", "List the base models that have a short name, and what they need."),
        "finetune": ("fingen.cli.finetune", "Train a LoRA adapter for a base model on a set."),
        "distill": ("fingen.cli.distill", "Make a smaller model that answers as its teacher does."),
        "merge": ("fingen.cli.merge", "Merge an adapter into its base model, and check that both say the same."),
        "chat": ("fingen.cli.chat", "Ask an adapter, one line at a time."),
        "serve": ("fingen.cli.serve", "Serve models on this machine, by OpenAI's protocol."),
        "demo": ("fingen.cli.demo", "Serve a page where models answer side by side."),
    },
    "judge": {
        "score": ("fingen.cli.score", "Score raw answers, every figure with its interval."),
        "compare": ("fingen.cli.compare", "Say whether two scores differ by more than chance."),
        "reproduce": ("fingen.cli.reproduce", "Repeat a published experiment, and put its table beside ours."),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


class Lazy(click.Group):
    """A group that imports a command's module when it is needed, and lists the commands by what they are for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, "command", None) or getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named first; one that there is not ends with the name that is nearest to it."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            raise click.UsageError(f"{e.message} {did_you_mean(args[0], COMMANDS).capitalize()}".strip(), ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what interrupts the import of its module ends it as what interrupts the command does."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Error: interrupted; nothing was begun", err=True)
            ctx.exit(Interrupted.exit_code)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in their groups."""
        for title, group in GROUPS.items():
            with formatter.section(title.capitalize()):
                formatter.write_dl([(name, about) for name, (_, about) in group.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FINGEN"})
@click.version_option(__version__, prog_name="fingen")
def main() -> None:
    """Turn financial documents into fine-tuned models, with evidence.

    \b
    Examples:
      $ fingen pdf2qa reports/
      $ fingen pdf2qa --help
    """
