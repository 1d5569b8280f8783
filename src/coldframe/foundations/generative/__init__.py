"""Generative models of small grey pictures: a variational and an adversarial autoencoder, and measures of what they draw."""
