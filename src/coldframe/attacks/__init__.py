"""Adversarial examples. An attack works on any callable from images in [0, 1] to logits; hyper-parameters are given to the
constructor, data to the call."""

from coldframe.attacks.base import Adversarial, Attack
from coldframe.attacks.changes import Survival, survival
from coldframe.attacks.pgd import L2PGD, PGD, Ascent
from coldframe.attacks.sanity import AttackWarning, Model
from coldframe.attacks.transforms import everyday
from coldframe.attacks.universal import Perturbation, Universal

__all__ = [
    "L2PGD", "PGD", "Adversarial", "Ascent", "Attack", "AttackWarning", "Model", "Perturbation", "Survival", "Universal",
    "everyday", "survival",
]  # fmt: skip
