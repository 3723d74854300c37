"""loaner: every tool call gets a loaner key.

An MCP server that presents provider operations as tools, borrows a credential for exactly one call
from the user's own consent, gives it back, and writes down what happened.
"""

__version__ = "0.1.0"
