"""The command that prints the script by which a shell completes commands and names: completion."""

import click

_VARIABLE = "_ARTIFACT_PIPELINES_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the script with which SHELL completes commands, options and the names of assets.

    \b
    Examples:
      eval "$(artifact-pipelines completion bash)"      # in ~/.bashrc; zsh: in ~/.zshrc
      artifact-pipelines completion fish > ~/.config/fish/completions/artifact-pipelines.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # click has a class for each choice
    root = context.find_root()
    click.echo(made(root.command, {}, "artifact-pipelines", _VARIABLE).source())
