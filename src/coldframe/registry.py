"""Names to things. Everything is named here as text and imported when it is asked for.

A newcomer adds a method with one file in ``methods/`` and one line in ``METHODS``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from coldframe.errors import InputError, nearest

METHODS: dict[str, str] = {
    "zero-shot": "coldframe.methods.zero_shot:ZeroShot",
    "linear-probe": "coldframe.methods.linear_probe:LinearProbe",
    "knn": "coldframe.methods.knn:NearestNeighbours",
    "pixel-prompt": "coldframe.methods.pixel_prompt:PixelPrompt",
    "deep-prompt": "coldframe.methods.deep_prompt:DeepPrompt",
    "fine-tune": "coldframe.methods.fine_tune:FineTune",
    "text-prompt": "coldframe.methods.text_prompt:TextPrompt",
    "tip-adapter": "coldframe.methods.tip_adapter:TipAdapter",
    "tip-adapter-f": "coldframe.methods.tip_adapter:TipAdapterF",
    "gda": "coldframe.methods.gda:GaussianDiscriminant",
    "ridge": "coldframe.methods.ridge:Ridge",
    "kernel-ridge": "coldframe.methods.ridge:KernelRidge",
    "ncm": "coldframe.methods.ncm:NearestMean",
    "laplace": "coldframe.methods.laplace:Laplace",
    "lp++": "coldframe.methods.lp_plus:ProbePlus",
    "clap": "coldframe.methods.text_heads:ClassAdaptive",
    "taskres": "coldframe.methods.text_heads:TaskResidual",
    "clip-adapter": "coldframe.methods.text_heads:ClipAdapter",
    "cross-modal": "coldframe.methods.text_heads:CrossModal",
    "prolip": "coldframe.methods.prolip:Prolip",
    "transclip": "coldframe.methods.transclip:TransClip",
    "lora": "coldframe.methods.low_rank:LoRA",
    "dora": "coldframe.methods.low_rank:DoRA",
    "lokr": "coldframe.methods.low_rank:LoKr",
    "conv-lora": "coldframe.methods.low_rank:ConvLoRA",
    "adaptformer": "coldframe.methods.adapters:AdaptFormer",
    "adapter": "coldframe.methods.adapters:Adapter",
    "attentive-probe": "coldframe.methods.attentive_probe:AttentiveProbe",
    "all-blocks": "coldframe.methods.all_blocks:AllBlocks",
    "side-network": "coldframe.methods.side_network:SideNetwork",
    "ensemble": "coldframe.methods.ensemble:Ensemble",
    "ssf": "coldframe.methods.scaling:SSF",
    "ia3": "coldframe.methods.scaling:IA3",
    "bitfit": "coldframe.methods.scaling:BitFit",
    "ln-tune": "coldframe.methods.scaling:NormTune",
    "bn-tune": "coldframe.methods.scaling:BatchNormTune",
}

GROUPS: dict[str, tuple[str, ...]] = {
    "peft": (
        "linear-probe", "lora", "dora", "lokr", "conv-lora", "adaptformer", "adapter", "ssf", "ia3", "bitfit", "ln-tune",
        "bn-tune", "attentive-probe", "all-blocks", "side-network",
    ),
    "few-shot": (
        "zero-shot", "linear-probe", "knn", "ncm", "gda", "ridge", "kernel-ridge", "tip-adapter", "tip-adapter-f", "lp++",
        "clap", "taskres", "clip-adapter", "cross-modal", "prolip", "laplace",
    ),
}  # fmt: skip
"""Methods that are named together, such as ``--methods peft``; those that a model does not allow are left out of it."""

BACKBONES: dict[str, str] = {
    "lite0": "coldframe.backbones.lite:load",
    "lite1": "coldframe.backbones.lite:load",
    "lite2": "coldframe.backbones.lite:load",
    "pocket": "coldframe.backbones.pocket:load",
    "torchvision": "coldframe.backbones.torchvision:load",
    "open_clip": "coldframe.backbones.open_clip:load",
    "timm": "coldframe.backbones.timm:load",
}
"""In the order of the list of models; each file also has ``entries()``, its part of that list."""

EMBEDDED = "pocket"
"""The model that is compared, fitted and asked when none is named: it comes with coldframe."""
CLASSIFIER = "lite0"
"""The model that predicts, is attacked and is looked into when none is named: its weights come with the extra of its name."""

DATASETS: dict[str, str] = {
    "folder": "coldframe.data.class_folders:load",
    "parquet": "coldframe.data.parquet:load",
    "csv": "coldframe.data.lists:load",
    "json": "coldframe.data.json_lists:load",
    "npz": "coldframe.data.array_files:load_npz",
    "npy": "coldframe.data.array_files:load_npy",
    "wds": "coldframe.data.shards:load",
    "hf": "coldframe.data.hub:load",
    "torchvision": "coldframe.data.torchvision:load",
    "mini": "coldframe.data.mini:load",
}


NETWORKS: dict[str, tuple[str, str]] = {
    "pocket": ("coldframe.recipes.pocket.study:pocket", "The small vision-language model of coldframe's own."),
    "gcn": ("coldframe.foundations.graphs.study:gcn", "Graph networks that name the subjects of a citation graph's papers."),
    "mlp": ("coldframe.foundations.mlp.study:mlp", "A perceptron by hand in NumPy, or its PyTorch twin, on small images."),
    "cnn": ("coldframe.foundations.convnet.study:cnn", "Small convolutional networks: plain, normalised, and a better one."),
    "batch-norm": ("coldframe.foundations.batch_norm.study:batch_norm", "What batch normalisation cancels, where it fails."),
    "vae": ("coldframe.foundations.generative.vae_study:vae", "A variational autoencoder of digits, in bits per dimension."),
    "aae": ("coldframe.foundations.generative.adversarial_study:aae", "An adversarial autoencoder of digits."),
    "digit-classifier": (
        "coldframe.foundations.generative.classifier_study:digit_classifier", "The classifier by which drawn digits are judged."
    ),
}
"""Network of ``coldframe train`` -> (where its function lives, its line in the help)."""


def resolve(table: Mapping[str, str], name: str, what: str) -> Any:
    """Import the thing that ``name`` stands for.

    Args:
        table: one of the dicts of this module.
        name: the name as the user wrote it.
        what: the word for such a thing in an error, such as ``"method"``.

    Raises:
        InputError: nothing has this name.
    """
    if name not in table:
        known = f"; known: {', '.join(table)}"
        raise InputError(f"unknown {what} {name!r}{nearest(name, table) or known}")
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
