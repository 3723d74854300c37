"""How a grant is narrowed to one call, one file for each way. The list is closed."""
