"""A multi-layer perceptron of any depth, and stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coldframe.errors import InputError, ModelError
from coldframe.foundations.mlp.layers import ELU, Array, CrossEntropy, Layer, Linear, Softmax
from coldframe.foundations.mlp.normalisation import BatchNorm
from coldframe.values import COUNT, FINITE, FRACTION, POSITIVE, SEED, WIDTH


class MLP(Layer):
    """Linear, (BatchNorm,) ELU for each hidden width; then Linear and Softmax. Without hidden widths: logistic regression.

    ``parameters`` and ``gradients`` gather those of all layers under ``"0.weight"``, ``"0.bias"``, ...; they are the same
    arrays, and carry the names and shapes of PyTorch's ``nn.Sequential``.

    Args:
        inputs: D of the data.
        hidden: widths between the layers; may be empty.
        classes: K.
        batch_norm: whether every hidden layer is normalised before its activation.
        seed: decides the weights.
        dtype: float64 or float32.
        input_gradient: whether ``backward`` returns the gradient of the input.

    Example:
        >>> network = MLP(4, [8], 3, input_gradient=True)
        >>> network.forward(np.zeros((2, 4))).round(3).tolist()
        [[0.333, 0.333, 0.333], [0.333, 0.333, 0.333]]
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        classes: int,
        *,
        batch_norm: bool = False,
        seed: int = 0,
        dtype: DTypeLike = np.float64,
        input_gradient: bool = False,
    ) -> None:
        super().__init__()
        inputs, classes = COUNT.check("inputs", inputs), COUNT.check("classes", classes)
        hidden, seed = [WIDTH.check("hidden", width) for width in hidden], SEED.check("seed", seed)
        if classes < 2:
            raise InputError(f"expected 2 or more classes, found {classes}; give every class a label")
        generator = np.random.default_rng([seed, 0])
        self.inputs, self.hidden, self.classes, self.batch_norm = inputs, tuple(hidden), classes, batch_norm
        self.layers: list[Layer] = []
        width = inputs
        for number, outputs in enumerate([*hidden, classes]):
            first = number == 0
            self.layers.append(
                Linear(
                    width, outputs, gain=1.0 if first else 2.0, generator=generator, dtype=dtype,
                    input_gradient=input_gradient or not first,
                )
            )  # fmt: skip
            if number < len(hidden):
                self.layers += [BatchNorm(outputs, dtype=dtype)] if batch_norm else []
                self.layers.append(ELU())
            width = outputs
        self.layers.append(Softmax())
        for number, layer in enumerate(self.layers):
            self.parameters |= {f"{number}.{name}": value for name, value in layer.parameters.items()}
            self.gradients |= {f"{number}.{name}": value for name, value in layer.gradients.items()}
            self.buffers |= {f"{number}.{name}": value for name, value in layer.buffers.items()}

    def forward(self, x: Array) -> Array:
        """Return the probabilities [B, K] of a batch [B, D]."""
        for layer in self.layers:
            layer.training = self.training
            x = layer.forward(x)
        return x

    def backward(self, gradient: Array) -> Array | None:
        """Take the gradient of the probabilities [B, K]; fill ``gradients``; return that of the input, or None."""
        for layer in reversed(self.layers):
            found = layer.backward(gradient)
            if found is None:
                return None
            gradient = found
        return gradient

    def state(self) -> dict[str, Array]:
        """Return copies of all parameters and running averages by name."""
        return {name: value.copy() for name, value in (self.parameters | self.buffers).items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """Set all parameters and running averages in place. Raises :class:`ModelError` when names or shapes differ."""
        own = self.parameters | self.buffers
        found = {name: tuple(value.shape) for name, value in state.items()}
        expected = {name: value.shape for name, value in own.items()}
        if found != expected:
            wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
            raise ModelError(
                f"expected {wrong[0]} of shape {expected.get(wrong[0])}, found {found.get(wrong[0])}; build both networks alike"
            )
        for name, value in own.items():
            value[...] = state[name]

    def count(self) -> int:
        """Return the number of parameters."""
        return sum(value.size for value in self.parameters.values())


class SGD:
    """v <- momentum v + g + weight_decay w; w <- w - lr v, as PyTorch has it. Weights change in place.

    Args:
        parameters: name -> array.
        gradients: the same names.
        lr: step length; may be changed between steps.
        momentum: share of the last step that is kept.
        weight_decay: pull of every parameter to 0.
    """

    def __init__(
        self,
        parameters: dict[str, Array],
        gradients: dict[str, Array],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        lr, momentum = POSITIVE.check("lr", lr), FRACTION.check("momentum", momentum)
        weight_decay = FINITE.check("weight_decay", weight_decay)
        if momentum == 1:
            raise InputError("expected momentum from 0 to below 1, found 1; 0.9 is usual")
        self.parameters, self.gradients = parameters, gradients
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self._velocity = {name: np.zeros_like(value) for name, value in parameters.items()}
        self._change = {name: np.empty_like(value) for name, value in parameters.items()}

    def step(self) -> None:
        """Take one step along the gradients that are there now."""
        for name, weight in self.parameters.items():
            direction, change = self.gradients[name], self._change[name]
            if self.weight_decay:
                np.multiply(weight, self.weight_decay, out=change)
                change += direction
                direction = change
            if self.momentum:
                velocity = self._velocity[name]
                velocity *= self.momentum
                velocity += direction
                direction = velocity
            # In place, because a new array of the weights' size would push the batch out of the processor's cache.
            np.multiply(direction, self.lr, out=change)
            weight -= change


def train_step(network: MLP, optimiser: SGD, x: Array, labels: NDArray[np.int64]) -> tuple[float, int]:
    """Run forward, backward and one step on a batch; return its mean loss and how many it had right before the step."""
    loss = CrossEntropy()
    p = network.forward(x)
    value = loss.forward(p, labels)
    network.backward(loss.backward(p, labels))
    optimiser.step()
    return value, int((p.argmax(axis=1) == labels).sum())
