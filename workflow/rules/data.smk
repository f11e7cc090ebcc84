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
        f"{RESULTS}/reference/{{dataset}}/reference.json",
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
        encoders=STUDY.encoders,
        shown=STUDY.point_samples,
        code=lambda w: code_hash("genbench.jobs.reference:make_reference", settings=[STUDY.encoder_kinds, about(w.dataset)]),
    shell:
        "genbench reference --dataset {wildcards.dataset} --threads {threads} > {log} 2>&1"


# Of metrics whose floors were computed the same way before, floors.json beside the output keeps them.
rule floors:
    input:
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/reference/{{dataset}}/reference.json",
        encoders_of,
    output:
        f"{RESULTS}/reference/{{dataset}}/floor.json",
    log:
        f"{RESULTS}/logs/floors/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/floors/{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=1,
    params:
        scoring=FLOORS,
        samples=lambda w: DATASETS[w.dataset].samples,
        code=lambda w: code_hash(
            "genbench.jobs.floors:make_floors", *SCORERS[w.dataset], settings=[STUDY.encoder_kinds, about(w.dataset)]
        ),
    shell:
        "genbench floors --dataset {wildcards.dataset} --threads {threads} > {log} 2>&1"
