"""Which weights go: the criteria, the rules by which a saliency becomes a smaller machine, the controls."""
