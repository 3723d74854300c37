"""What a person or an operator has stopped, and the calls that a stop ends."""
