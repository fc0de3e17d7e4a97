"""How good a machine is: patterns against the data, encodings, generated patterns, activity."""
