"""What a reader sees of a study: figures, tables, and the verdicts on the claims of the paper."""
