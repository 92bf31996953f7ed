"""Qt, thin: one panel a file."""
