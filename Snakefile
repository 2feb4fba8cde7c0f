# Lets `snakemake` work from the repository's root; the workflow itself is in workflow/.
include: "workflow/Snakefile"


workflow.default_target = "all"
