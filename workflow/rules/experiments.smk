# Tables of an experiment lie beside its about.json, which is written last; the hash in the folder's name is that of its settings,
# recipes and code.
rule experiment:
    input:
        lambda w: [f"{RESULTS}/data/{name}/data.npz" for name in STUDY.experiments.asked()[w.experiment].datasets],
    output:
        f"{RESULTS}/experiments/{{experiment}}-{{hash}}/about.json",
    log:
        f"{RESULTS}/logs/experiments/{{experiment}}-{{hash}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/experiments/{{experiment}}-{{hash}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=lambda w, attempt: 60 * attempt,
        gpu=1,
    shell:
        "genbench experiment {wildcards.experiment} --out {output}" " --threads {threads} > {log} 2>&1"
