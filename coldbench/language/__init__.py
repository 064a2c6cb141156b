"""A pretrained language model: from its name to a text's hidden states."""
