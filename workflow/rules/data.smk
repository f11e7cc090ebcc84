rule prepare:
    output:
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/data/{{dataset}}/meta.json",
    log:
        f"{RESULTS}/logs/prepare/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare/{{dataset}}.tsv"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        spec=lambda w: dataset_hash(dataset_spec(w.dataset)),
        code=lambda w: code_hash("genbench.data.dataset:prepare", settings=about(w.dataset)),
    shell:
        "genbench prepare --dataset {wildcards.dataset} > {log} 2>&1"


rule encode:
    input:
        f"{RESULTS}/data/{{dataset}}/data.npz",
    output:
        f"{RESULTS}/encoders/{{dataset}}/{{encoder}}/encoder.safetensors",
        f"{RESULTS}/encoders/{{dataset}}/{{encoder}}/encoder.json",
    log:
        f"{RESULTS}/logs/encode/{{dataset}}/{{encoder}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/encode/{{dataset}}/{{encoder}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=1,
    params:
        epochs=STUDY.encoder_epochs,
        code=lambda w: code_hash("genbench.jobs.data:encode", settings=about(w.dataset)),
    shell:
        "genbench encode --dataset {wildcards.dataset} --encoder {wildcards.encoder} --epochs {params.epochs}"
        " --threads {threads} > {log} 2>&1"


rule reference:
    input:
        f"{RESULTS}/data/{{dataset}}/data.npz",
        encoders_of,
    output:
        f"{RESULTS}/reference/{{dataset}}/floor.json",
    log:
        f"{RESULTS}/logs/reference/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/reference/{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=1,
    params:
        scoring=SCORING,
        samples=lambda w: DATASETS[w.dataset].samples,
        code=lambda w: code_hash("genbench.jobs.reference:make_reference", settings=[STUDY.encoders, about(w.dataset)]),
    shell:
        "genbench reference --dataset {wildcards.dataset}" " --threads {threads} > {log} 2>&1"
