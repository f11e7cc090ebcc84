"""Post-hoc sampling: what can be done with a trained generator, from truncation to chains by the critic's advice."""
