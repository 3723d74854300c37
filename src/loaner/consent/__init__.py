"""What people said yes to: grants at the providers, approvals of what agents may do, and the asking itself."""
