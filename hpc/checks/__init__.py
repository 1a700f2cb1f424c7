"""One file a cause for which jobs wait: what AWS says of it (`read_...`), and what that means (the pure `find`)."""
