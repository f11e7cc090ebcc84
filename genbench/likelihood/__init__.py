"""Likelihood estimators: importance bounds, quadrature, annealed importance sampling."""
