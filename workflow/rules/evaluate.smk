rule evaluate:
    input:
        f"{RESULTS}/groups/{{dataset}}/{{group}}.json",
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/reference/{{dataset}}/floor.json",
        encoder_of,
    output:
        f"{RESULTS}/scores/{{dataset}}/{{group}}-{SCORING}.json",
    params:
        name=lambda w: f"{w.dataset}/{w.group}",
        code=code_hash("genbench.jobs.evaluate"),
    log:
        f"{RESULTS}/logs/evaluate/{{dataset}}/{{group}}-{SCORING}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{dataset}}/{{group}}-{SCORING}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: 120 * attempt,
        gpu=1,
    shell:
        "{GENBENCH} evaluate --results {RESULTS} --study {RUN.study} --group {params.name} --out {output}"
        " --device {RUN.device} --threads {threads} > {log} 2>&1"
