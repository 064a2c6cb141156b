"""A log cut by a protocol: who is cold, what is support and what is query, and does it leak."""
