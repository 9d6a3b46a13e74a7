"""The command line. A command parses, calls one function, and prints one summary; stages are imported when it runs."""

from __future__ import annotations

import importlib

import click

from fingen import __version__

# Command -> (module, group it is listed in). Modules are imported when their command is asked for.
COMMANDS = {
    "pdf2qa": ("fingen.cli.pdf2qa", "make"),
    "prompts": ("fingen.cli.prompts", "make"),
    "show": ("fingen.cli.show", "check"),
    "journal": ("fingen.cli.journal", "check"),
}


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
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in their groups."""
        for title in dict.fromkeys(title for _, title in COMMANDS.values()):
            names = [name for name, (_, group) in COMMANDS.items() if group == title]
            with formatter.section(title.capitalize()):
                commands = [(name, self.get_command(ctx, name)) for name in names]
                formatter.write_dl([(name, command.get_short_help_str(80)) for name, command in commands if command])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FINGEN"})
@click.version_option(__version__, prog_name="fingen")
def main() -> None:
    """Turn financial documents into fine-tuned models, with evidence.

    \b
    Examples:
      $ fingen pdf2qa reports/
      $ fingen pdf2qa --help
    """
