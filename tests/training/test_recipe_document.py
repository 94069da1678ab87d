"""Form, `--help` and document say of every setting what its one definition says."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from mvla_core.commands import train_command
from mvla_core.training.recipe import PRESETS, recipe_fields
from mvla_core.training.recipe_document import recipe_tables, with_tables

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "training.md"


def test_the_document_holds_the_tables_of_the_definition() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == with_tables(text), "write docs/training.md again with mvla_core.training.recipe_document.with_tables"
    tables = recipe_tables()
    for field in recipe_fields():
        assert f"| `{field.name}` | {field.help} |" in tables
        assert field.help.endswith(".")
    assert all(f"**`{name}`**" in tables for name in PRESETS)


def test_a_changed_document_is_noticed() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(text.replace("| `epochs` |", "| `epoch` |")) == with_tables(text)
    with pytest.raises(ValueError, match="unpack"):
        with_tables("no marks")


def test_help_tells_every_setting_with_what_may_be_entered() -> None:
    parser = argparse.ArgumentParser(prog="train", formatter_class=lambda prog: argparse.HelpFormatter(prog, width=400))
    train_command.configure(parser)
    shown = parser.format_help()
    for field in recipe_fields():
        if field.name == "seed":
            continue
        assert f"--{field.name.replace('_', '-')} VALUE" in shown
        assert field.described() in shown
        assert field.allowed in field.described()
    assert "1 to 64 frames" in shown
    assert "cosine | constant" in shown


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--extend", "RUN"], "Say how many more epochs: --extend RUN --epochs N"),
        (["--extend", "RUN", "--epochs", "few"], "--epochs must be a whole number"),
        (["lab", "--extend", "RUN", "--epochs", "2"], "leave out the data set"),
        (["lab", "--processes", "2"], "add --prepare, which prints its command, or --slurm"),
        (["lab", "--prepare", "--slurm", "gpu"], "choose one of them"),
        (["lab", "--processes", "0", "--prepare"], "--processes must be 1 or more"),
        ([], "Say which data set to train on"),
    ],
)
def test_options_that_do_not_go_together_are_told(tmp_path: Path, given: list[str], told: str) -> None:
    from mvla_core.errors import UserInputError

    parser = argparse.ArgumentParser()
    train_command.configure(parser)
    with pytest.raises(UserInputError) as caught:
        train_command.run(parser.parse_args([*given, "--data-root", str(tmp_path)]))
    assert told in str(caught.value)
