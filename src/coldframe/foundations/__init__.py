"""Networks built to be understood."""
