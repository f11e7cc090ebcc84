"""What can be done with a generator after its training: better samples at a price, and looks at its latent space."""
