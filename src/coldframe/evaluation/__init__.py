"""Fitted methods measured: their rows, classifiers, unions of labels, and what noise, corruptions and attacks do to them."""
