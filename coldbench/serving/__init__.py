"""A trained model over HTTP: `coldbench serve DIR`. Nothing of a user is kept between requests."""
