"""A training that begins with another policy's parameters in place of fresh ones."""

from __future__ import annotations

from pathlib import Path

from mvla_core.errors import PolicyError
from mvla_core.policies.adapter import load_network, read_description
from mvla_core.policies.build import BuiltPolicy
from mvla_core.policies.spec import PolicySpec


def begin_with(policy: BuiltPolicy, folder: Path) -> None:
    """Give a freshly built policy the parameters of a stored one, bit for bit.

    Args:
        policy: Built for training.
        folder: A policy folder.

    Raises:
        PolicyError: The folder is no complete policy, or its policy is another one: other actions, other sizes, another scale.
    """
    description = read_description(folder)
    stored = PolicySpec.from_json(description["spec"])
    _check_same(policy.spec, stored, folder)
    # Loaded by the reader that predictions use, so that what an extension starts with is what was evaluated.
    loaded = dict(load_network(folder, stored, description).network.named_parameters())
    for name, parameter in policy.network.named_parameters():
        if parameter.requires_grad:
            parameter.data.copy_(loaded[name].data)


def _check_same(wanted: PolicySpec, stored: PolicySpec, folder: Path) -> None:
    if wanted.action_space != stored.action_space:
        raise PolicyError(
            f"The policy in {folder} gives {_actions(stored)} but the data set has {_actions(wanted)}: a training can only be "
            "extended on the same actions; train a new policy instead."
        )
    one, other = wanted.to_json(), stored.to_json()
    different = sorted(name for name in one if one[name] != other.get(name))
    if different:
        raise PolicyError(
            f"The policy in {folder} differs in {', '.join(different)} from what would be trained; extend a run with its own "
            "settings and on the data it was made with, or train a new policy."
        )


def _actions(spec: PolicySpec) -> str:
    return f"{', '.join(spec.action_space.names)} in {', '.join(spec.action_space.units)}"
