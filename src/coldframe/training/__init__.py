"""The one training loop, its schedules, optimisers and checkpoints."""

from coldframe.training.loop import Result, better, order, train
from coldframe.training.optimisers import Group, Optimiser
from coldframe.training.recipe import Recipe
from coldframe.training.schedules import Schedule, factor

__all__ = ["Group", "Optimiser", "Recipe", "Result", "Schedule", "better", "factor", "order", "train"]
