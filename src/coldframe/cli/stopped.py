"""What Ctrl-C leaves behind, verb by verb, and how to go on."""

from __future__ import annotations

from collections.abc import Sequence

AGAIN = "run the same command again to go on"
FITS = "finished fits and stored activations are kept"
STORED = "stored activations are kept, nothing else was written"
NOTHING = "nothing half-written is left"
RESUMED = ("cnn", "vae", "aae")
"""Networks that keep a checkpoint in --out, where one is named."""
ALWAYS = ("pocket", "digit-classifier")
"""Networks whose --out has a default."""


def sentence(words: Sequence[str]) -> str:
    """Return what is kept of a command that was stopped, and how to go on.

    Args:
        words: of the command, the verb first.

    Example:
        >>> sentence(["fit", "knn", "--out", "runs/knn"])
        'stopped; stored activations and the last checkpoint are kept, run the same command again to go on'
    """
    verb = words[0] if words else ""
    out = any(word == "--out" or word.startswith("--out=") for word in words)
    if verb in ("compare", "sweep"):
        if out:
            return f"stopped; {FITS}, {AGAIN}"
        return "stopped; stored activations are kept, fits are not: add --out DIR to keep them and go on after a stop"
    if verb == "fit":
        return f"stopped; stored activations and the last checkpoint are kept, {AGAIN}"
    if verb == "extract":
        return f"stopped; the features written so far are kept, {AGAIN}"
    if verb == "benchmark":
        return "stopped; the numbers of finished models are kept in the folder of the results, the report is not made"
    network = words[1] if verb == "train" and len(words) > 1 else ""
    if network in RESUMED and not out:
        return f"stopped; {NOTHING}; add --out DIR to go on after a stop"
    if network in (*RESUMED, *ALWAYS):
        return f"stopped; the last checkpoint is kept, {AGAIN}"
    if verb in ("evaluate", "zero-shot") or (verb == "inspect" and "disagreements" in words[:2]):
        return f"stopped; {STORED}; run the same command again"
    if verb == "cache":
        return "stopped; what was cleared is gone, the rest is whole; run the same command again"
    return f"stopped; {NOTHING}; run the same command again"
