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
# # Visual prompting
#
# A frozen model, and one learned picture that is added to every image: that is a visual prompt (Bahng et al.,
# 2022). This notebook learns one, looks at it, then moves it deeper into the network, and asks what it is worth
# beside the obvious alternatives.

# %%
import os
from pathlib import Path
from tempfile import mkdtemp

import coldframe
from coldframe.report.figures.prompts import prompt_figure

small = bool(os.environ.get("COLDFRAME_SMALL"))
epochs = 1 if small else 10
os.environ.setdefault("COLDFRAME_CACHE", mkdtemp())
data = coldframe.load_dataset("mini:caltech7", shots=4 if small else None)
backbone = coldframe.load_backbone("pocket")
data

# %% [markdown]
# ## Zero-shot: class names alone
#
# Each class name becomes a text, each text a vector. The image goes to the nearest.

# %%
zero = coldframe.ZeroShot(backbone).fit(data.train, val=data.val)
zero.score(data.test)

# %% [markdown]
# ## A frame around every image
#
# The first convolution is linear: conv(x + v) = conv(x) + conv(v). So the images pass through it once, are
# stored, and each step of training computes conv(v) alone. The result is exact.

# %%
frame = coldframe.PixelPrompt(backbone, kind="pad", epochs=epochs, seed=0).fit(data.train, val=data.val)
frame.score(data.test), frame.trainable_parameters

# %%
import torch

from coldframe.data.decode import load_pixels

pixels = torch.from_numpy(load_pixels(data.test.images, [0, 40, 80], backbone.preprocess)).float() / 255
prompt, prompted = frame.prompted(pixels)
prompt_figure("the learned frame", prompt.numpy(), prompted.numpy())

# %% [markdown]
# *Change this and see:* `kind="patch"` for a square in the corner; `size=2` for a thinner frame.
#
# ## Deeper: a few tokens before a block
#
# A deep prompt adds tokens to those of the image (VPT, Jia et al., 2022). What lies before the block runs once.

# %%
scores = {}
for layer in (0,) if small else (0, 6, 11):
    deep = coldframe.DeepPrompt(backbone, tokens=4, layer=layer, epochs=epochs, seed=0).fit(data.train, val=data.val)
    scores[f"4 tokens before block {layer}"] = deep.score(data.test)
scores

# %% [markdown]
# ## What is it worth?
#
# The same images, the same network, one table. A prompt keeps the network and its classes as they are; a linear
# probe does not need texts at all.

# %%
methods = ["zero-shot", "pixel-prompt", "deep-prompt", "linear-probe"]
table = coldframe.compare(methods, data, seeds=1, epochs=epochs, out=Path(mkdtemp()) / "run")
table
