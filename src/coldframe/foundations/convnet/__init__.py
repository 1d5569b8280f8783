"""Small convolutional networks: the exercise's, the same with batch normalisation, and one that beats both."""

from coldframe.foundations.convnet.activation import Mish, mish
from coldframe.foundations.convnet.fitting import BETTER, COURSE, Fit, Settings, fit, logits
from coldframe.foundations.convnet.images import Pictures, normalised
from coldframe.foundations.convnet.networks import Better, Small, build
from coldframe.foundations.convnet.whitening import filters as whitening_filters

__all__ = [
    "BETTER",
    "COURSE",
    "Better",
    "Fit",
    "Mish",
    "Pictures",
    "Settings",
    "Small",
    "build",
    "fit",
    "logits",
    "mish",
    "normalised",
    "whitening_filters",
]
