"""Names of the fairness linter's rules, which a study can accept by name; the rules themselves are in studies/fairness.py."""

from collections.abc import Mapping

__all__ = ["RULES", "check_accepts"]

RULES = {
    "recipes": "all or some models run a recipe that was set by hand",
    "searches": "searches differ in their number of configurations, or in how these are judged",
    "spaces": "a hyperparameter that models share is searched in different ranges, or for some of them only",
    "authors": "the first configuration is the authors' defaults for some models only",
    "switches": "what searches leave as it is differs between models: averaging and schedules",
    "few_configurations": "searches of less than 4 configurations",
    "seeds": "models have different numbers of seeds",
    "few_seeds": "one seed, so that nothing tells a difference from chance",
    "margin": "a ratio of two scores above 1.5 counts as equal",
    "budget": "budgets or batches differ between models",
    "critic_steps": "an update of the budget includes several of a critic, in numbers that differ between models",
    "passes": "an update of the budget is a pass over the whole training split for some models",
    "parameters": "models differ by more than a factor of 2 in parameters",
    "networks": "models are built from networks of different kinds",
    "variants": "models stand in different variants",
    "labels": "some models are told class labels",
    "selection": "some models choose their weights by held-out loss, others can't",
    "reference": "a model's class of laws contains the true one",
    "beta": "the weight of a VAE's KL is not 1, so that its objective is no bound on the likelihood it is ranked by",
    "sigmoid": "a least-squares critic's output is a probability",
    "batch_norm": "a critic's value of an example depends on its batch",
    "clipping": "clipped weights are rescaled by a spectral norm",
    "slope": "nothing bounds the slope of a Wasserstein critic",
    "encoder": "samples are scored by features that fit the data badly",
}


def check_accepts(accepts: Mapping[str, str]) -> None:
    """ValueError unless every key is a rule's name and every value a reason."""
    for rule, reason in accepts.items():
        if rule not in RULES:
            raise ValueError(f"unknown rule {rule!r}; allowed: {', '.join(RULES)}")
        if not reason.strip():
            raise ValueError(f"{rule}: needs a reason")
