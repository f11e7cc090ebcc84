# Tables of a question lie beside its about.json, which is written last; the hash in the folder's name is that of its settings,
# recipes and code.
rule question:
    input:
        lambda w: [f"{RESULTS}/data/{name}/data.npz" for name in ASKED[w.question].datasets],
    output:
        f"{RESULTS}/questions/{{question}}-{{hash}}/about.json",
    log:
        f"{RESULTS}/logs/questions/{{question}}-{{hash}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/questions/{{question}}-{{hash}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=lambda w, attempt: 60 * attempt,
        gpu=1,
    shell:
        "genbench question {wildcards.question} --out {output}" " --threads {threads} > {log} 2>&1"
