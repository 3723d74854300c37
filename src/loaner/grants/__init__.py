"""A grant's whole life: obtained, sealed, refreshed, and ended at its provider."""
