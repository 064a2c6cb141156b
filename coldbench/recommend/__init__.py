"""A trained method at work: what `coldbench export` wrote, from a few ratings to the best items."""
