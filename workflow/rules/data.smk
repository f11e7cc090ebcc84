rule prepare:
    output:
        f"{RESULTS}/data/{{dataset}}/data.npz",
        f"{RESULTS}/data/{{dataset}}/meta.json",
    params:
        spec=lambda w: dataset_hash(dataset_spec(w.dataset)),
        code=code_hash("genbench.data"),
    log:
        f"{RESULTS}/logs/prepare/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare/{{dataset}}.tsv"
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "{GENBENCH} prepare --results {RESULTS} --dataset {wildcards.dataset} > {log} 2>&1"


rule encode:
    input:
        f"{RESULTS}/data/{{dataset}}/data.npz",
    output:
        f"{RESULTS}/encoders/{{dataset}}/encoder.safetensors",
        f"{RESULTS}/encoders/{{dataset}}/encoder.json",
    params:
        epochs=STUDY.encoder_epochs,
        code=code_hash("genbench.metrics.encoder"),
    log:
        f"{RESULTS}/logs/encode/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/encode/{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=1,
    shell:
        "{GENBENCH} encode --results {RESULTS} --dataset {wildcards.dataset} --epochs {params.epochs}"
        " --device {RUN.device} --threads {threads} > {log} 2>&1"


def encoder_of(wildcards):
    """The encoder of an image dataset; points need none."""
    dataset = wildcards.dataset
    return [f"{RESULTS}/encoders/{dataset}/encoder.safetensors"] * (dataset in IMAGES)


rule reference:
    input:
        f"{RESULTS}/data/{{dataset}}/data.npz",
        encoder_of,
    output:
        f"{RESULTS}/reference/{{dataset}}/floor.json",
    params:
        scoring=SCORING,
        code=code_hash("genbench.jobs.data"),
    log:
        f"{RESULTS}/logs/reference/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/reference/{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=1,
    shell:
        "{GENBENCH} reference --results {RESULTS} --dataset {wildcards.dataset} --study {RUN.study}"
        " --device {RUN.device} --threads {threads} > {log} 2>&1"
