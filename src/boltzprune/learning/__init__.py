"""From data to a trained machine: contrastive divergence, pre-training layer by layer, joint training, checkpoints."""
