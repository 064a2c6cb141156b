"""From an address or a user's disk to clean tables: found, downloaded, unpacked, read strictly."""
