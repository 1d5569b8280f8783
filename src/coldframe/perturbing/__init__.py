"""Fitted methods under noise, corruptions and attack: what ``evaluate`` asks of one run and ``compare`` of all fits at once."""

from coldframe.perturbing.asked import DEVIATIONS, Asked, deviations, radii, sample
from coldframe.perturbing.fits import add, jointly, measure
from coldframe.perturbing.found import Found, curves

__all__ = ["DEVIATIONS", "Asked", "Found", "add", "curves", "deviations", "jointly", "measure", "radii", "sample"]
