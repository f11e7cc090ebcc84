rule refine:
    input:
        f"{RESULTS}/groups/{{dataset}}/{{group}}.json",
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/reference/{{dataset}}/floor.json",
        encoders_of,
    output:
        numbers=f"{RESULTS}/refined/{{dataset}}/{{group}}-{REFINING}.json",
        pictures=f"{RESULTS}/refined/{{dataset}}/{{group}}-{REFINING}.npz",
    log:
        f"{RESULTS}/logs/refine/{{dataset}}/{{group}}-{REFINING}.log",
    benchmark:
        f"{RESULTS}/benchmarks/refine/{{dataset}}/{{group}}-{REFINING}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: 120 * attempt,
        gpu=1,
    params:
        name=lambda w: f"{w.dataset}/{w.group}",
        samples=lambda w: DATASETS[w.dataset].samples,
        code=lambda w: code_hash("genbench.jobs.refine:refine_group", settings=[STUDY.encoders, about(w.dataset)]),
    shell:
        "genbench refine --group {params.name} --out {output.numbers}" " --threads {threads} > {log} 2>&1"
