"""Volume to mask."""
