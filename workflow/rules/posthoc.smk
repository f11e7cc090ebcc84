rule posthoc:
    input:
        lambda w: scores_of(job for job in final() if f"{w.dataset}/{w.group}" in job.names),
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/reference/{{dataset}}/reference.json",
        encoders_of,
    output:
        numbers=f"{RESULTS}/posthoc/{{dataset}}/{{group}}-{SAMPLING}.json",
        pictures=f"{RESULTS}/posthoc/{{dataset}}/{{group}}-{SAMPLING}.npz",
    log:
        f"{RESULTS}/logs/posthoc/{{dataset}}/{{group}}-{SAMPLING}.log",
    benchmark:
        f"{RESULTS}/benchmarks/posthoc/{{dataset}}/{{group}}-{SAMPLING}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: 120 * attempt,
        gpu=1,
    params:
        name=lambda w: f"{w.dataset}/{w.group}",
        samples=lambda w: DATASETS[w.dataset].samples,
        code=lambda w: code_hash(
            "genbench.jobs.posthoc:sample_group",
            *dict.fromkeys(":".join(SYMBOLS[key]) for key in COMPARED),
            settings=[STUDY.encoder_kinds, STUDY.posthoc.methods, about(w.dataset)],
        ),
    shell:
        "genbench posthoc --group {params.name} --out {output.numbers}" " --threads {threads} > {log} 2>&1"
