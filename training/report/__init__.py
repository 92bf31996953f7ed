"""What came of runs: one page, a table, pictures."""
