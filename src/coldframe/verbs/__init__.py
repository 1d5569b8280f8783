"""What the verbs of the command line do; the command line itself parses, calls and prints."""
