"""What a provider allows in a time, and how loaner stays inside it."""
