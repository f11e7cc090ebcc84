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


def decided(looks):
    """The groups of a study by what these looks at it said; waits for those that are still to come."""
    said = []
    for place in looks:
        said.append(read_json(checkpoints.look.get(look=place).output[0])["open"])
        if not said[-1]:
            break
    return planned(GROUPS.values(), said)


def searched(looks):
    """Files of the scores of all that is searched by what these looks said."""
    return [f"{RESULTS}/searched/{group.name}-{CHOOSING}.json" for group in decided(looks) if group.phase == "search"]


def final(folder, suffix, keep=lambda group: True):
    """Files of all groups of the study's own trials; of a search, those that confirm its choice."""

    def files(wildcards):
        return [f"{RESULTS}/{folder}/{g.name}-{suffix}.json" for g in decided(LOOKS) if g.phase != "search" and keep(g)]

    return files
