# The trials themselves live in results/store, outside the declared outputs, which Snakemake deletes before a rerun: so
# checkpoints survive a kill, and what is in the store is neither trained nor scored again. A job takes several small groups.
# A search's trials are scored on both splits; what the validation split prefers is trained anew on fresh seeds, by `train`.
rule search:
    input:
        f"{RESULTS}/data/{{dataset}}/data.npz",
        lambda w: encoders_of(w)[:1],
    output:
        f"{RESULTS}/searched/{{dataset}}/{{job}}-{CHOOSING}.json",
    log:
        f"{RESULTS}/logs/search/{{dataset}}/{{job}}-{CHOOSING}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search/{{dataset}}/{{job}}-{CHOOSING}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=lambda w, attempt: 240 * attempt,
        gpu=1,
    params:
        names=lambda w: job_of(w).names,
        samples=lambda w: DATASETS[w.dataset].samples,
        code=lambda w: code_hash(
            "genbench.jobs.search:score_searched", *SHARED, settings=[STUDY.encoder_kinds[:1], about(w.dataset)]
        ),
    shell:
        "genbench train {params.names} --out {output} --threads {threads} > {log} 2>&1"


rule train:
    input:
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/reference/{{dataset}}/reference.json",
        encoders_of,
        searched=searches_of,
    output:
        f"{RESULTS}/scores/{{dataset}}/{{job}}-{SCORING}.json",
    log:
        f"{RESULTS}/logs/train/{{dataset}}/{{job}}-{SCORING}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{dataset}}/{{job}}-{SCORING}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: 240 * attempt,
        gpu=1,
    params:
        names=lambda w: job_of(w).names,
        samples=lambda w: DATASETS[w.dataset].samples,
        code=lambda w: code_hash(
            "genbench.jobs.evaluate:evaluate_group",
            *SHARED,
            *SCORERS[w.dataset],
            settings=[STUDY.encoder_kinds, about(w.dataset)],
        ),
    shell:
        "genbench train {params.names} --searched {input.searched} --out {output} --threads {threads} > {log} 2>&1"


# After each look, models that are told from the baseline stop, and the others are searched further.
checkpoint look:
    input:
        lambda w: searched(LOOKS[: int(w.look)]),
    output:
        f"{RESULTS}/looks/{RUN.study}/{{look}}.json",
    log:
        f"{RESULTS}/logs/{RUN.study}/look-{{look}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{RUN.study}/look-{{look}}.tsv"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        study=short_hash([STUDY.margin, STUDY.k, [cell.model_dump(mode="json") for cell in STUDY.cells]]),
        code=code_hash("genbench.jobs.look:look"),
    shell:
        "genbench look {input} --look {wildcards.look} --out {output} > {log} 2>&1"
