rule evaluate:
    input:
        f"{RESULTS}/groups/{{dataset}}/{{group}}.json",
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/reference/{{dataset}}/floor.json",
        encoder_of,
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
        code=code_hash("genbench.jobs.evaluate"),
    shell:
        "genbench evaluate --group {params.name} --out {output}" " --threads {threads} > {log} 2>&1"
