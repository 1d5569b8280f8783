"""Numbers and words: rows, their columns, the verdict. No pictures and no pages."""
