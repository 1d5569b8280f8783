"""Generative models of small grey pictures: a variational and an adversarial autoencoder, and measures of what they draw."""

from coldframe.foundations.generative.bounds import (
    Measured,
    bits_per_dimension,
    elbo_terms,
    importance_weighted_bound,
    kl_to_prior,
    marginal_bits,
    measure,
)
from coldframe.foundations.generative.codes import interpolate, manifold_codes
from coldframe.foundations.generative.digits import Digits, to_levels, to_pixels
from coldframe.foundations.generative.likelihoods import Bernoulli, Categorical, DiscretisedLogistic
from coldframe.foundations.generative.saved import decoder
from coldframe.foundations.generative.vae import VAE

__all__ = [
    "VAE",
    "Bernoulli",
    "Categorical",
    "Digits",
    "DiscretisedLogistic",
    "Measured",
    "bits_per_dimension",
    "decoder",
    "elbo_terms",
    "importance_weighted_bound",
    "interpolate",
    "kl_to_prior",
    "manifold_codes",
    "marginal_bits",
    "measure",
    "to_levels",
    "to_pixels",
]
