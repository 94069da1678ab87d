"""What the settings of a recipe can be chosen from, each choice with its meaning. Torch-free."""

from __future__ import annotations

from typing import Literal

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: dict[str, str] = {
    "fp32": "32-bit numbers everywhere",
    "bf16": "16-bit brain floats, on a CPU or a recent GPU",
    "fp16": "16-bit floats with loss scaling; needs a CUDA GPU",
}
Schedule = Literal["cosine", "constant"]
NORMALISERS: dict[str, str] = {
    "mean_std": "mean 0 and deviation 1 over the training frames",
    "range": "the training range becomes -1 to 1",
    "clamp": "the briefing's way: cut at -1 and 1, which loses what lies beyond",
}
ENDS: dict[str, str] = {
    "mask": "predict what is left and leave the rest out of the loss",
    "drop": "use only windows whose whole chunk exists",
}
SHORT: dict[str, str] = {
    "leave_out": "leave them out; they are counted and named",
    "pad": "repeat their first frame before them and leave what lies behind their end out of the loss",
}
SCHEDULES: dict[str, str] = {"cosine": "falls to zero along half a cosine", "constant": "stays as it is"}
Curriculum = Literal["none", "simple_first"]
CURRICULA: dict[str, str] = {
    "none": "every epoch uses all training episodes",
    "simple_first": "the first epochs use the simplest episodes: fewest turns, then fewest different actions, then shortest",
}
