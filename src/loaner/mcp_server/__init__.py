"""Tools in and out: over stdio and over streamable HTTP, and how each outcome is told to a model."""
