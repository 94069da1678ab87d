"""A miniature random Kosmos-2 with an offline tokenizer: same classes, same calls, milliseconds instead of seconds.

It proves that saving, loading, training and resuming work. Its weights come from a fixed seed, the same in every process; it learns
next to nothing about navigation.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import CLIPImageProcessorPil, Kosmos2Config, Kosmos2Model, Kosmos2Processor, PreTrainedTokenizerFast

from mvla_core.policies.kosmos import Kosmos2Base, set_dropout
from mvla_core.policies.spec import PolicySpec

_WEIGHTS_SEED = 20260101
_IMAGE_SIZE = 56


def tiny_tokenizer(words: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Return a tokenizer of single characters, with the special ids that Kosmos-2's has (0 to 3).

    Args:
        words: Read as one token each, so that sentences are as long as with a large vocabulary.
    """
    characters = string.ascii_letters + string.digits + string.punctuation
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0)]
    pieces += [(character, -2.0) for character in characters]
    pieces += [(f"\u2581{word}", -2.0) for word in words]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )


def tiny_processor() -> Kosmos2Processor:
    """Return a processor for 56x56 pictures."""
    images = CLIPImageProcessorPil(
        size={"shortest_edge": _IMAGE_SIZE},
        crop_size={"height": _IMAGE_SIZE, "width": _IMAGE_SIZE},
        use_square_size=True,
    )
    return Kosmos2Processor(images, tiny_tokenizer())


def tiny_config(vocab_size: int) -> Kosmos2Config:
    """Return the configuration of the miniature: two layers of 64 in text and vision, 64 picture slots as the real one."""
    return Kosmos2Config(
        text_config={
            "vocab_size": vocab_size,
            "embed_dim": 64,
            "layers": 2,
            "ffn_dim": 128,
            "attention_heads": 4,
            "max_position_embeddings": 512,
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": _IMAGE_SIZE,
            "patch_size": 14,
        },
        latent_query_num=64,
    )


def tiny_base(spec: PolicySpec) -> Kosmos2Base:
    """Build the miniature; its weights are the same in every process and leave the global generator as it was."""
    processor = tiny_processor()
    config = tiny_config(len(processor.tokenizer))
    set_dropout(config, spec.backbone_dropout)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_WEIGHTS_SEED)
        model = Kosmos2Model(config)
    return Kosmos2Base(model.to(getattr(torch, spec.base_dtype)), processor, f"tiny-kosmos2-1-{spec.base_dtype}")
