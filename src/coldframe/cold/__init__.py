"""The cold part of the house: what never changes runs once and is stored."""

from coldframe.cold.activations import Activations
from coldframe.cold.passes import ColdPass, PassReport, Want
from coldframe.cold.store import Store

__all__ = ["Activations", "ColdPass", "PassReport", "Store", "Want"]
