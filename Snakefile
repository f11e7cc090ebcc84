include: "workflow/Snakefile"


workflow.default_target = "all"  # an include never sets it
