"""The experiments of the founding documents, and the training of the networks that coldframe ships."""
