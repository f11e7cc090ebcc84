rule evaluate:
    input:
        f"{RESULTS}/groups/{{dataset}}/{{group}}.json",
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/reference/{{dataset}}/reference.json",
        encoders_of,
    output:
        f"{RESULTS}/scores/{{dataset}}/{{group}}-{SCORING}.json",
    log:
        f"{RESULTS}/logs/evaluate/{{dataset}}/{{group}}-{SCORING}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{dataset}}/{{group}}-{SCORING}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: 120 * attempt,
        gpu=1,
    params:
        name=lambda w: f"{w.dataset}/{w.group}",
        samples=lambda w: DATASETS[w.dataset].samples,
        code=lambda w: code_hash(
            "genbench.jobs.evaluate:evaluate_group", *SCORERS[w.dataset], settings=[STUDY.encoder_kinds, about(w.dataset)]
        ),
    shell:
        "genbench evaluate --group {params.name} --out {output}" " --threads {threads} > {log} 2>&1"
