def encoders_of(wildcards):
    """The classifiers whose features score an image dataset; points need none."""
    names = CLASSIFIERS if wildcards.dataset in IMAGES else []
    return [f"{RESULTS}/encoders/{wildcards.dataset}/{name}/encoder.safetensors" for name in names]


def about(dataset):
    """What the code that handles a dataset looks up in tables."""
    spec = dataset_spec(dataset)  # a question's dataset may be none of the cells'
    return [spec.kind, spec.source, spec.parameters]


def decided(looks):
    """The jobs of a study, by name, by what these looks at it said; waits for those that are still to come."""
    said = []
    for place in looks:
        said.append(tuple(read_json(checkpoints.look.get(look=place).output[0])["open"]))
        if not said[-1]:
            break
    return jobs_after(tuple(said))


@functools.cache
def jobs_after(said):
    """Jobs by name, by what looks said."""
    return {job.name: job for job in jobs(planned(GROUPS.values(), said), RUN.job_minutes)}


def job_of(wildcards):
    """The job of this name; those of later looks are known once the looks before were taken."""
    name = f"{wildcards.dataset}/{wildcards.job}"
    return next(found[name] for count in range(len(LOOKS) + 1) if name in (found := decided(LOOKS[:count])))


def searched(looks, names=None):
    """Files of the scores of all that is searched by what these looks said, or of what these groups searched."""
    jobs = [job for job in decided(looks).values() if job.groups[0].phase == "search"]
    return [f"{RESULTS}/searched/{job.name}-{CHOOSING}.json" for job in jobs if names is None or names & set(job.names)]


def searches_of(wildcards):
    """The scores of the searches whose choices a job confirms."""
    names = {name for group in job_of(wildcards).groups for name in group.searched}
    return searched(LOOKS, names) if names else []


def final():
    """Jobs that score the study's own trials, and those that confirm what its searches chose."""
    return [job for job in decided(LOOKS).values() if job.groups[0].phase != "search"]


def scores_of(jobs):
    """Files of the scores of jobs."""
    return [f"{RESULTS}/scores/{job.name}-{SCORING}.json" for job in jobs]


def resampled(wildcards):
    """Files of the post-hoc samples of all groups that the study asks them for."""
    groups = [group for job in final() for group in job.groups]
    asked = [group for group in groups if STUDY.samples_posthoc(group.dataset, group.trials[0].family)]
    return [f"{RESULTS}/posthoc/{group.name}-{SAMPLING}.json" for group in asked]
