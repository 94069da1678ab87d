"""How one setting of a recipe is declared, converted from text, and checked. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from mvla_core.errors import RecipeError, did_you_mean

FieldKind = Literal["int", "float", "bool", "choice", "text"]
GROUPS = ("policy", "lora", "data", "optimisation", "machine")


@dataclass(frozen=True)
class RecipeField:
    """One setting, as forms, help texts and checks see it.

    Attributes:
        name: Key in files and, with '-' for '_', option of the command line.
        label: Short name for a form.
        help: One sentence.
        kind: How to enter it.
        default: The value of `Recipe()`.
        group: One of `GROUPS`.
        unit: "" where it has none.
        minimum: Smallest value that is allowed; None for choices and texts.
        maximum: Largest one.
        choices: Allowed values with a description each; empty for free values.
    """

    name: str
    label: str
    help: str
    kind: FieldKind
    default: Any
    group: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def allowed(self) -> str:
        """What may be entered: a range with its unit, or the choices; "" for free texts."""
        if self.choices:
            return " | ".join(self.choices)
        if self.kind == "bool":
            return "true | false"
        if self.minimum is None or self.maximum is None:
            return ""
        return f"{self.minimum:g} to {self.maximum:g}{' ' + self.unit if self.unit else ''}"

    def described(self) -> str:
        """The help with what may be entered and the default, in one line."""
        allowed = f" [{self.allowed}]" if self.allowed else ""
        default = str(self.default).lower() if self.kind == "bool" else self.default
        return f"{self.help}{allowed} (compact: {default if default != '' else 'empty'})"


def setting(
    default: Any,
    label: str,
    help: str,
    group: str,
    *,
    unit: str = "",
    between: tuple[float, float] | None = None,
    choices: Mapping[str, str] | None = None,
) -> Any:
    """Declare a field of the recipe: the only place where its help, unit, range and choices are written.

    The kind follows from the default, or is "choice" where choices are given; `between` holds the allowed bounds.
    """
    kinds: dict[type, FieldKind] = {bool: "bool", int: "int", float: "float", str: "text"}
    low, high = between or (None, None)
    described = RecipeField(
        "",
        label,
        help,
        "choice" if choices else kinds[type(default)],
        default,
        group,
        unit,
        low,
        high,
        choices or {},
    )
    return field(default=default, metadata={"setting": described})


def convert_value(described: RecipeField, given: Any) -> Any:
    """Turn a text into the field's kind, and a whole number into a float where one is wanted."""
    if described.kind == "float" and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if not isinstance(given, str) or described.kind in ("choice", "text"):
        return given
    text = given.strip().lower()
    try:
        if described.kind == "int":
            return int(text)
        if described.kind == "float":
            return float(text)
    except ValueError:
        raise RecipeError(_refusal(described, given)) from None
    if text in ("true", "yes", "on", "1"):
        return True
    if text in ("false", "no", "off", "0"):
        return False
    raise RecipeError(_refusal(described, given))


def check_value(described: RecipeField, value: Any) -> None:
    """Raise `RecipeError` where a value is of the wrong kind, out of range, or none of the choices."""
    expected: dict[FieldKind, type] = {"int": int, "float": float, "bool": bool, "choice": str, "text": str}
    right_kind = isinstance(value, expected[described.kind]) and (
        described.kind == "bool" or not isinstance(value, bool)
    )
    in_range = (
        not right_kind or described.minimum is None or described.minimum <= value <= cast(float, described.maximum)
    )
    known = not right_kind or not described.choices or value in described.choices
    if not (right_kind and in_range and known):
        raise RecipeError(_refusal(described, value))


def _refusal(described: RecipeField, value: Any) -> str:
    if described.choices:
        expected = f"one of {', '.join(described.choices)}.{did_you_mean(str(value), described.choices)}"
    elif described.kind == "bool":
        expected = "true or false."
    elif described.minimum is not None:
        what = "a whole number" if described.kind == "int" else "a number"
        expected = f"{what} from {described.minimum:g} to {described.maximum:g}{' ' + described.unit if described.unit else ''}."
    else:
        expected = "a text."
    return f"The setting {described.name} cannot be {value!r}: expected {expected}"
