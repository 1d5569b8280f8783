"""Pictures with labels, from folders, archives, other libraries, arrays, or the samples that come with coldframe."""

from coldframe.data.base import Dataset, Images, LoadOptions, Split

__all__ = ["Dataset", "Images", "LoadOptions", "Split"]
