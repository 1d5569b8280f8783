"""The training of pocket: its pictures, its captions, its words and its loop."""
