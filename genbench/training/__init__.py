"""Training: replicas, optimisers, budgets, checkpoints."""
