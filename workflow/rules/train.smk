# The trials themselves live in results/store, outside the declared outputs, which Snakemake deletes before a rerun:
# so checkpoints survive a kill, and what is in the store is not trained again.
rule train:
    input:
        f"{RESULTS}/data/{{dataset}}/data.npz",
        selection_of,
    output:
        f"{RESULTS}/groups/{{dataset}}/{{group}}.json",
    log:
        f"{RESULTS}/logs/train/{{dataset}}/{{group}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{dataset}}/{{group}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=lambda w, attempt: 240 * attempt,
        gpu=1,
    params:
        name=lambda w: f"{w.dataset}/{w.group}",
    shell:
        "genbench train --group {params.name} --out {output}" " --threads {threads} > {log} 2>&1"
