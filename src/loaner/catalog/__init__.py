"""What loaner can do at which provider, read from ``connectors/`` and checked before anything is offered."""
