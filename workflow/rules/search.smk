# A search's trials are scored on both splits; what the validation split prefers is trained anew on fresh seeds.
rule score:
    input:
        f"{RESULTS}/groups/{{dataset}}/{{group}}.json",
        f"{RESULTS}/data/{{dataset}}/data.npz",
        lambda w: encoders_of(w)[:1],
    output:
        f"{RESULTS}/searched/{{dataset}}/{{group}}-{CHOOSING}.json",
    log:
        f"{RESULTS}/logs/score/{{dataset}}/{{group}}-{CHOOSING}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score/{{dataset}}/{{group}}-{CHOOSING}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=lambda w, attempt: 60 * attempt,
        gpu=1,
    params:
        name=lambda w: f"{w.dataset}/{w.group}",
        samples=lambda w: DATASETS[w.dataset].samples,
        code=lambda w: code_hash("genbench.jobs.search:score_searched", settings=[STUDY.encoder_kinds[:1], about(w.dataset)]),
    shell:
        "genbench score --group {params.name} --out {output}" " --threads {threads} > {log} 2>&1"


rule choose:
    input:
        lambda w: [f"{RESULTS}/searched/{name}-{CHOOSING}.json" for name in GROUPS[f"{w.dataset}/{w.group}"].searched],
    output:
        f"{RESULTS}/selected/{{dataset}}/{{group}}.json",
    log:
        f"{RESULTS}/logs/choose/{{dataset}}/{{group}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/choose/{{dataset}}/{{group}}.tsv"
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "genbench choose {input} --out {output} > {log} 2>&1"


# After each look, models that are told from the baseline stop, and the others are searched further.
checkpoint look:
    input:
        lambda w: searched(range(int(w.look))),
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
