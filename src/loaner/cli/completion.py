"""``loaner completion``: what a shell needs to complete verbs and options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

VARIABLE: Final = "_LOANER_COMPLETE"
"""Set by the shell's function when it asks what could come next."""


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(shell: Annotated[Shell, typer.Argument(help="Whose script is printed.")]) -> None:
    """Print a shell's completion script.

    \b
    Examples:
      loaner completion bash > ~/.local/share/bash-completion/completions/loaner
      loaner completion zsh > "${fpath[1]}/_loaner"
      loaner completion fish > ~/.config/fish/completions/loaner.fish
    """
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name="loaner", complete_var=VARIABLE, shell=shell.value))
