"""Perceptrons to be read: every layer in NumPy with its backward pass by hand, and the same in PyTorch, step for step."""

from coldframe.foundations.mlp.gradients import GradientCheck, check_gradients
from coldframe.foundations.mlp.layers import ELU, CrossEntropy, Layer, Linear, Softmax
from coldframe.foundations.mlp.network import MLP, SGD, train_step
from coldframe.foundations.mlp.normalisation import BatchNorm
from coldframe.foundations.mlp.scores import accuracy, confusion, f_beta, precision, recall
from coldframe.foundations.mlp.twin import load_from_torch, torch_step, torch_twin

__all__ = [
    "ELU",
    "MLP",
    "SGD",
    "BatchNorm",
    "CrossEntropy",
    "GradientCheck",
    "Layer",
    "Linear",
    "Softmax",
    "accuracy",
    "check_gradients",
    "confusion",
    "f_beta",
    "load_from_torch",
    "precision",
    "recall",
    "torch_step",
    "torch_twin",
    "train_step",
]
