"""Studies: what may be compared, and what was found."""
