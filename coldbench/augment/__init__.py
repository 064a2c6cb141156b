"""Texts and users made anew, which methods may train on beside the real ones."""
