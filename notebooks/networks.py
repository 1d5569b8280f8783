# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Networks by hand
#
# Small networks that are built to be read: a perceptron in NumPy with its own backward pass, batch
# normalisation taken apart, and a graph network in three forms that give the same numbers.

# %%
import os
from tempfile import mkdtemp

import numpy as np
import torch

from coldframe.foundations.graphs import MeanConv, named, power, walks
from coldframe.foundations.graphs.drawing import draw_graph
from coldframe.foundations.mlp import MLP, SGD, check_gradients, torch_step, torch_twin, train_step

small = bool(os.environ.get("COLDFRAME_SMALL"))
os.environ.setdefault("COLDFRAME_CACHE", mkdtemp())

# %% [markdown]
# ## A perceptron without autograd
#
# Every layer knows its own gradient. Is it right? Finite differences say so.

# %%
x = np.random.default_rng(0).standard_normal((4, 3))
check_gradients(MLP(3, [8], 2, batch_norm=True, input_gradient=True), x)

# %% [markdown]
# The same network in PyTorch takes the same step, to rounding.

# %%
network = MLP(3, [8], 2)
twin = torch_twin(network)
labels = np.array([0, 1, 1, 0])
ours, _ = train_step(network, SGD(network.parameters, network.gradients, lr=0.1), x, labels)
theirs, _ = torch_step(twin, torch.optim.SGD(twin.parameters(), lr=0.1), torch.from_numpy(x), torch.from_numpy(labels))
ours, theirs

# %% [markdown]
# Trained on digits, it learns.

# %%
import coldframe

digits = coldframe.load_dataset("mini:mnist")
rows = slice(0, 200 if small else None)


def flat(split):
    pictures = [np.asarray(split.images.open(row).convert("L")).ravel() / 255 for row in range(len(split))[rows]]
    return np.stack(pictures) - 0.5, split.labels[rows]


(train_x, train_y), (test_x, test_y) = flat(digits.train), flat(digits.test)
network = MLP(train_x.shape[1], [64], 10)
optimiser = SGD(network.parameters, network.gradients, lr=0.1)
order = np.random.default_rng(0)
for _ in range(1 if small else 10):
    for batch in np.array_split(order.permutation(len(train_y)), max(1, len(train_y) // 64)):
        loss, _ = train_step(network, optimiser, train_x[batch], train_y[batch])
float((network.forward(test_x).argmax(1) == test_y).mean())

# %% [markdown]
# ## Graphs
#
# `(A^n)_uv` counts the walks of n steps from u to v.

# %%
cycle = named("cycle:6")
draw_graph(cycle)

# %%
power(cycle, 2).tolist()[0], walks(cycle, 2, 0, 0)

# %% [markdown]
# One convolution, three times: node by node to be read, as matrices to be checked, sparse to be used.

# %%
H = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
results = [
    MeanConv(4, 3, activation=torch.relu, form=form, generator=torch.Generator().manual_seed(1)).double()(cycle, H)
    for form in ("node", "matrix", "sparse")
]
[float((result - results[0]).detach().abs().max()) for result in results]

# %% [markdown]
# *Change this and see:* renumber the nodes. Which outputs change, and how?
