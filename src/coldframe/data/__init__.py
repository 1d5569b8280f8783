"""Pictures with labels, from folders, archives, other libraries, arrays, or the samples that come with coldframe."""

from coldframe.data.arrays import from_arrays
from coldframe.data.base import Dataset, Images, LoadOptions, Split
from coldframe.data.load import load_dataset

__all__ = ["Dataset", "Images", "LoadOptions", "Split", "from_arrays", "load_dataset"]
