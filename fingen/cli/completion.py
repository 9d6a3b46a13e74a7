"""`fingen completion`: the script by which a shell completes commands, options, sets and adapters."""

from __future__ import annotations

import click

from fingen.cli.common import Command, command_options, print_json

SHELLS = ("bash", "zsh", "fish", "powershell")
VARIABLE = "_FINGEN_COMPLETE"  # by which the script asks; click's name for it


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@command_options
def command(shell: str, as_json: bool, quiet: bool, debug: bool) -> None:
    """Print the script by which a shell completes commands, options, and the sets and adapters in build/.

    Nothing is installed: the shell reads the script where you put it. In zsh, ~/.zfunc must be in fpath before compinit runs.

    \b
    Examples:
      $ fingen completion bash > ~/.local/share/bash-completion/completions/fingen
      $ fingen completion zsh > ~/.zfunc/_fingen
      $ fingen completion fish > ~/.config/fish/completions/fingen.fish
      $ eval "$(fingen completion bash)"                 # this terminal alone; zsh too
    """
    from click.shell_completion import get_completion_class

    from fingen.cli import main
    from fingen.errors import UsageError

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"this version of click knows no {shell}", hint="upgrade it: pip install --upgrade click")
    script = kind(main, {}, "fingen", VARIABLE).source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script, nl=False)
