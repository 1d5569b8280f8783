"""Figures, one file a kind of picture; ``style`` holds how all of them look."""
