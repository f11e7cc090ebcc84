def selection_of(wildcards):
    """What a group that confirms a search's choice waits for; nothing for others."""
    group = GROUPS[f"{wildcards.dataset}/{wildcards.group}"]
    return [f"{RESULTS}/selected/{group.name}.json"] if group.phase == "confirm" else []


def encoders_of(wildcards):
    """The classifiers whose features score an image dataset; points need none."""
    names = CLASSIFIERS if wildcards.dataset in IMAGES else []
    return [f"{RESULTS}/encoders/{wildcards.dataset}/{name}/encoder.safetensors" for name in names]


def about(dataset):
    """What the code that handles a dataset looks up in tables."""
    spec = dataset_spec(dataset)  # a question's dataset may be none of the cells'
    return [spec.kind, spec.source, spec.parameters]
