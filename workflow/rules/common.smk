def encoders_of(wildcards):
    """The classifiers whose features score an image dataset; points need none."""
    names = CLASSIFIERS if wildcards.dataset in IMAGES else []
    return [f"{RESULTS}/encoders/{wildcards.dataset}/{name}/encoder.safetensors" for name in names]
