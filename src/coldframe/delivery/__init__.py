"""The model in hand: an adapted network as one file that others serve, and as a repository that others find."""
