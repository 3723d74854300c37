"""Work that is agreed to beforehand: proposed, agreed to, binding, and ended."""
