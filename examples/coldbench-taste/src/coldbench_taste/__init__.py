"""A method for coldbench in a package of its own."""
