"""What disturbed images do to a method: the fields of its row, lines for a terminal, lines of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coldframe.attacks.checks import LEVELS as STEPS_OF_A_FILE
from coldframe.data.corruptions import GROUPS, LEVELS
from coldframe.measures.adversarial import AttackCurve, eps_text
from coldframe.measures.robustness import CorruptionScores, NoiseCurve
from coldframe.results.parts import Curve
from coldframe.types import Row


@dataclass(frozen=True)
class DisturbedScores:
    """What one method does on disturbed images; each part None where it was not asked for, or cannot be measured."""

    noise: NoiseCurve | None = None
    corruptions: CorruptionScores | None = None
    attack: AttackCurve | None = None

    def fields(self) -> Row:
        """Return what the row of ``results.json`` gains; ``clean_top1`` is of the very images that were disturbed."""
        row: Row = {}
        first = self.corruptions or self.noise or self.attack
        if first is not None:
            row |= {"clean_top1": first.clean, "disturbed_n": first.n}
        if self.noise is not None:
            by = {f"{d:g}": top1 for d, top1 in zip(self.noise.deviations, self.noise.top1, strict=True)}
            row |= {"noise_top1": self.noise.noise_top1, "noise_n": self.noise.n}
            row["noise"] = {"space": self.noise.space, "n": self.noise.n, "clean_top1": self.noise.clean, "top1": by}
        if self.corruptions is not None:
            row["corruption_top1"] = self.corruptions.mean
            scores = self.corruptions
            row["corruptions"] = {"n": scores.n, "clean_top1": scores.clean, "top1": scores.by_corruption}
        if self.attack is not None:
            made = self.attack
            by = {eps_text(eps): top1 for eps, top1 in zip(made.eps, made.top1, strict=True)}
            row |= {"robust_top1": made.robust_top1, "fooled": made.fooled}
            row["attack"] = {"kind": "pgd", "eps": eps_text(made.named), "steps": made.steps, "restarts": made.restarts}
            row["attack"] |= {"n": made.n, "clean_top1": made.clean, "top1": by}
        return row

    def lines(self) -> list[str]:
        """Return the same for a terminal."""
        said = []
        if self.noise is not None:
            pairs = zip(self.noise.deviations, self.noise.top1, strict=True)
            clean = f"noise ({self.noise.space}, {self.noise.n:,} images)  clean: {self.noise.clean:.2%}   "
            said.append(clean + "   ".join(f"{d:g}: {top1:.2%}" for d, top1 in pairs if d))
        if self.corruptions is not None:
            by = self.corruptions.by_corruption
            clean = f"the same {self.corruptions.n:,} images clean {self.corruptions.clean:.2%}"
            said.append(f"corruptions  mean {self.corruptions.mean:.2%} ({clean})")
            for group, names in GROUPS.items():
                said.append(f"  {group:8}  " + "   ".join(f"{name} {by[name]:.1%}" for name in names if name in by))
        if self.attack is not None:
            pairs = zip(self.attack.eps, self.attack.top1, strict=True)
            scores = "   ".join(f"{eps_text(eps)}: {top1:.2%}" for eps, top1 in pairs if eps)
            made = f"attack (PGD, {self.attack.steps} steps, {self.attack.n:,} images)"
            said.append(f"{made}  clean: {self.attack.clean:.2%}   {scores}")
        return said


def curves(found: Sequence[DisturbedScores]) -> list[Curve]:
    """Return the lines of the robustness figures of one method, means over its seeds."""
    lines = []
    noise = [one.noise for one in found if one.noise is not None]
    if noise and len(noise[0].deviations) > 1:
        space = "normalised images" if noise[0].space == "normalised" else "pixels in [0, 1]"
        x = list(noise[0].deviations)
        lines.append(Curve("Gaussian noise", x, _mean(noise), f"standard deviation, added to {space}"))
    corruptions = [one.corruptions for one in found if one.corruptions is not None]
    if corruptions:
        mean = np.mean([scores.by_severity for scores in corruptions], axis=0).tolist()
        lines.append(Curve("Corruptions", [float(level) for level in LEVELS], mean, "severity, mean over 15 corruptions"))
    attacks = [one.attack for one in found if one.attack is not None]
    if attacks and len(attacks[0].eps) > 1:
        x = [STEPS_OF_A_FILE * eps for eps in attacks[0].eps]
        words = f"largest change of a value, of {STEPS_OF_A_FILE} (untargeted PGD)"
        lines.append(Curve("Under attack", x, _mean(attacks), words))
    return lines


def _mean(made: Sequence[NoiseCurve] | Sequence[AttackCurve]) -> list[float | None]:
    mean: list[float | None] = np.mean([curve.top1 for curve in made], axis=0).tolist()
    return mean
