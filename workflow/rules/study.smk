rule collect:
    input:
        scores=lambda w: scores_of(final()),
        searched=lambda w: searched(LOOKS),
        floors=expand(f"{RESULTS}/reference/{{dataset}}/floor.json", dataset=DATASETS),
        posthoc=resampled,
        questions=[f"{RESULTS}/questions/{folder}/about.json" for folder in QUESTIONS.values()],
    output:
        [f"{RESULTS}/studies/{RUN.study}/{file}" for file in ("trials.parquet", "scores.parquet", "floors.parquet", "study.json")],
    log:
        f"{RESULTS}/logs/{RUN.study}/collect.log",
    benchmark:
        f"{RESULTS}/benchmarks/{RUN.study}/collect.tsv"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        study=short_hash(STUDY.model_dump(mode="json")),
    shell:
        "genbench collect {input.scores} --posthoc {input.posthoc} --searched {input.searched} > {log} 2>&1"


rule sync:
    input:
        rules.collect.output,
    output:
        f"{RESULTS}/studies/{RUN.study}/synced.json",
    log:
        f"{RESULTS}/logs/{RUN.study}/sync.log",
    benchmark:
        f"{RESULTS}/benchmarks/{RUN.study}/sync.tsv"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        uri=f"--uri {RUN.mlflow_uri}" if RUN.mlflow_uri else "",
    shell:
        "genbench sync {params.uri} --out {output} > {log} 2>&1"


rule report:
    input:
        rules.collect.output,
    output:
        f"{REPORT}/index.html",
    log:
        f"{RESULTS}/logs/{RUN.study}/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/{RUN.study}/report.tsv"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code_hash("genbench.jobs.report:write_report", *REPORTED, results=True),
    shell:
        "genbench report --out {output} > {log} 2>&1"
