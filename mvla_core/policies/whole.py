"""A policy with all its weights in its folder: tuned in full, or with its low-rank updates merged.

    base/                 a Kosmos-2 folder as transformers writes it: configuration, weights, tokenizer, picture preprocessing;
                          it serves as `base_model` of another training too
    model.safetensors     everything else: the head; of `compact` all trained modules
`compact` has no base folder: its frozen eyes come from the installed package, as they do without merging.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file

from mvla_core.errors import PolicyError
from mvla_core.policies.base import ActionPolicy

BASE = "base"
WEIGHTS = "model.safetensors"
_BACKBONE = "backbone."


def save_whole(policy: ActionPolicy, folder: Path) -> None:
    """Write all weights of a policy without low-rank updates into an existing folder."""
    from mvla_core.policies.kosmos import KosmosPolicy

    rest = policy.state_dict()
    if isinstance(policy, KosmosPolicy):
        policy.backbone.save_pretrained(folder / BASE)
        policy.processor.image_processor.save_pretrained(folder / BASE)
        policy.processor.tokenizer.save_pretrained(folder / BASE)
        rest = {name: tensor for name, tensor in rest.items() if not name.startswith(_BACKBONE)}
    save_file({name: tensor.contiguous() for name, tensor in rest.items()}, folder / WEIGHTS, metadata={"format": "pt"})


def load_whole(policy: ActionPolicy, folder: Path) -> ActionPolicy:
    """Load what lies beside the base folder into a policy whose backbone was built from that; return the policy.

    Raises:
        PolicyError: The file holds other tensors than the policy has.
    """
    missing, unexpected = policy.load_state_dict(load_file(folder / WEIGHTS), strict=False)
    absent = [name for name in missing if not (name.startswith(_BACKBONE) and (folder / BASE).is_dir())]
    if absent or unexpected:
        raise PolicyError(
            f"The weights in {folder / WEIGHTS} do not fit the policy beside them: missing {absent[:3]}, unknown "
            f"{list(unexpected)[:3]}; train or merge it again."
        )
    return policy
