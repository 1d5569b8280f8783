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
# # Robustness and attacks
#
# How much of an accuracy is left when images get worse by chance, and how little it takes to fool a model on
# purpose.

# %%
import os
from tempfile import mkdtemp

import torch

import coldframe
from coldframe.attacks import PGD
from coldframe.data.decode import load_pixels
from coldframe.evaluation.classifiers import logits_of
from coldframe.measures.adversarial import attack_curve
from coldframe.report.figures.predictions import prediction_figure

small = bool(os.environ.get("COLDFRAME_SMALL"))
os.environ.setdefault("COLDFRAME_CACHE", mkdtemp())
data = coldframe.load_dataset("mini:cifar10", shots=10 if small else 100)
backbone = coldframe.load_backbone("pocket")
probe = coldframe.LinearProbe(backbone).fit(data.train, val=data.val)
probe.score(data.test)

# %% [markdown]
# ## Noise
#
# Gaussian noise of rising standard deviation, added to normalised images: the experiment of the founding
# course. Each image gets the same noise whatever the method, so two methods can be compared.

# %%
count = 20 if small else 200
some = data.test.subset(list(range(0, len(data.test), max(1, len(data.test) // count)))[:count])
pixels = torch.from_numpy(load_pixels(some.images, list(range(len(some))), backbone.preprocess)).float() / 255
labels = torch.from_numpy(some.labels)
model = logits_of(probe)  # images in [0, 1] to logits; the whole network, gradients included

generator = torch.Generator().manual_seed(0)
noise = torch.randn(pixels.shape, generator=generator)
with torch.no_grad():
    answers = {d: model((pixels + d * noise).clamp(0, 1)).argmax(1) for d in (0, 0.05, 0.1, 0.2)}
{d: float((answer == labels).float().mean()) for d, answer in answers.items()}

# %% [markdown]
# `coldframe compare --noise 0,0.05,0.1,0.2 --corruptions` measures this for every method, with the fifteen
# corruptions of ImageNet-C.
#
# ## Attack
#
# PGD (Madry et al., 2018) changes every value by at most eps, in the direction that raises the loss: X' <-
# clip(X' + step * sign(gradient)).

# %%
few = 4
target = (labels[:few] + 3) % len(data.classes)
found = PGD(8 / 255, steps=20)(model, pixels[:few], labels[:few], target)
found.fooled.tolist()

# %%
with torch.no_grad():
    before, after = (model(x).softmax(1) for x in (pixels[:few], found.images))
tops = [[(data.classes[int(k)], float(row[k])) for k in row.argsort(descending=True)[:3]] for row in (*before, *after)]
shown = [(255 * x).round().byte().permute(1, 2, 0).numpy() for x in (*pixels[:few], *found.images)]
prediction_figure(shown, tops, ["clean"] * few + ["attacked"] * few, columns=few)

# %% [markdown]
# The eye sees no difference. This is how accuracy falls with the radius:

# %%
curve = attack_curve(model, some, backbone.preprocess, eps=(0, 0.5 / 255, 1 / 255, 2 / 255), steps=5 if small else 20)
dict(zip([f"{255 * eps:g}/255" for eps in curve.eps], curve.top1, strict=True))

# %% [markdown]
# *Change this and see:* attack a fine-tuned network instead of the probe. Which one is easier to fool?
