def encoder_of(wildcards):
    """The encoder of an image dataset; points need none."""
    dataset = wildcards.dataset
    return [f"{RESULTS}/encoders/{dataset}/encoder.safetensors"] * (dataset in IMAGES)
