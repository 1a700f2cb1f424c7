"""Causes for which jobs wait: what AWS says (`read_...`), what that means (the pure `find`), and what these share."""
