"""The tables of docs/training.md, made from the recipe's one definition. Torch-free."""

from __future__ import annotations

from mvla_core.training.recipe import PRESETS, Recipe, recipe_fields

BEGIN, END = "<!-- recipe: begin -->", "<!-- recipe: end -->"


def recipe_tables() -> str:
    """Return both tables as Markdown: every setting with its meaning and what may be entered, and what the presets change."""
    rows = ["| setting | what it does | may be | compact |", "|---|---|---|---|"]
    for field in recipe_fields():
        allowed = field.allowed.replace("|", "\\|")
        rows.append(f"| `{field.name}` | {field.help} | {allowed} | {_shown(field.default)} |")
    for preset in PRESETS.values():
        changed = [
            f"`{field.name}` {_shown(getattr(preset.recipe, field.name))}"
            for field in recipe_fields()
            if getattr(preset.recipe, field.name) != getattr(Recipe(), field.name)
        ]
        rows += ["", f"**`{preset.name}`** {preset.description} Beside compact: {', '.join(changed) or 'nothing'}."]
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """Return a document in which the part between the two marks is what `recipe_tables` gives.

    Raises:
        ValueError: A mark is missing.
    """
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{recipe_tables()}\n{END}{after}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "empty" if value == "" else f"{value:g}" if isinstance(value, float) else str(value)
