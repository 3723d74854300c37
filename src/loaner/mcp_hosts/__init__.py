"""The programs that start MCP servers: where each keeps its configuration, and how an entry is put in and taken out.

``known`` says which there are, ``json_text`` and ``toml_text`` change one entry and leave every other byte alone,
``changes`` does that to a file and keeps what is needed to undo it.
"""

from loaner.mcp_hosts.known import McpHost, all_hosts, host_named

__all__ = ["McpHost", "all_hosts", "host_named"]
