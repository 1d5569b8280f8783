"""The verbs, and the help of the command itself."""

from __future__ import annotations

VERBS: dict[str, tuple[str, str]] = {
    "compare": ("coldframe.cli.compare:compare", "Run ways to adapt a frozen model on your images; table, verdict, report."),
    "fit": ("coldframe.cli.fit:fit", "Fit one method, evaluate it, save what it learned."),
    "evaluate": ("coldframe.cli.evaluate:evaluate", "Measure a saved run on data."),
    "predict": ("coldframe.cli.predict:predict", "Top-k classes of image files, by a model or a saved run."),
    "zero-shot": ("coldframe.cli.zero_shot:zero_shot", "Classify by class names alone, or ask anything of images."),
    "sweep": ("coldframe.cli.sweep:sweep", "A grid of settings on one shared cold pass, resumed by itself, with heat maps."),
    "benchmark": ("coldframe.cli.benchmark:benchmark", "Latency, memory, size and accuracy of models, in one picture."),
    "attack": ("coldframe.cli.attack:attack", "Adversarial examples of image files, and what they survive."),
    "extract": ("coldframe.cli.extract:extract", "Features of many images as npy files, in shards that resume and merge."),
    "prepare": ("coldframe.cli.prepare:prepare", "The cold pass alone, over many images by many workers, killed and taken up."),
    "export": ("coldframe.cli.export:export", "A saved run as one file (ONNX and others) that is served without coldframe."),
    "push": ("coldframe.cli.push:push", "A saved run into a repository of the Hugging Face hub, with a model card."),
    "pull": ("coldframe.cli.pull:pull", "Fetch a run that was pushed."),
    "inspect": ("coldframe.cli.inspect:app", "Feature maps, attention and filters of a model; where two runs disagree."),
    "train": ("coldframe.cli.train:app", "Train a network built to be understood."),
    "sample": ("coldframe.cli.sample:sample", "Pictures from a trained generative model."),
    "manifold": ("coldframe.cli.manifold:manifold", "What the two latent dimensions of a generative model hold, as a grid."),
    "graph": ("coldframe.cli.graph:app", "Matrices, walks and identities of a graph."),
    "reproduce": ("coldframe.cli.reproduce:reproduce", "Answer an assignment of a course, question by question, as one page."),
    "models": ("coldframe.cli.models:models", "List models that can be loaded, and what is on this disk."),
    "check": ("coldframe.cli.check:check", "What is wrong with a data set: repeats, doubtful labels, odd pictures, shortcuts."),
    "datasets": ("coldframe.cli.datasets:datasets", "List kinds of data, or describe one data set."),
    "doctor": ("coldframe.cli.doctor:doctor", "What this installation has, lacks and can do, with a short trial."),
    "cache": ("coldframe.cli.cache:cache", "Show or clear the store of cold activations."),
}
"""Verb -> (where its function lives, its line in the help)."""
GROUPS = ("fit", "inspect", "train", "graph")
"""Verbs whose second word has a help of its own."""
ABOUT = "Adapt a frozen vision model to your images, and see what each way gains and costs."


def top_help() -> str:
    """Return the help of the command itself, written here because importing a parser for it takes half a second."""
    width = max(map(len, VERBS))
    lines = [f"  {name:{width}}  {line}" for name, (_, line) in VERBS.items()]
    return "\n".join([
        "Usage: coldframe VERB [OPTIONS]", "", ABOUT, "", "Verbs:", *lines, "",
        "coldframe VERB --help lists the options of a verb; coldframe --version prints the version.",
        "coldframe --install-completion lets your shell complete verbs and options.",
    ])  # fmt: skip
