#!/bin/sh
# See to it that Slurm's and munge's programs are there, for the test of the workflow on a cluster. Debian's packages are
# installed if this runs as root there; otherwise one line says what is missing, and the status is 1.
PATH=$PATH:/usr/sbin:/sbin
present() {
    for program in munged slurmctld slurmd sbatch srun squeue scontrol; do
        command -v "$program" > /dev/null || return 1
    done
}

if [ "$(id -u)" != 0 ]; then
    echo "No root here: the workflow is not tested on Slurm, whose daemons need it."
    exit 1
fi
present && exit 0
if command -v apt-get > /dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        munge slurm-wlm; } > /dev/null 2>&1
fi
present && exit 0
echo "No Slurm here: the workflow is not tested on it. Install slurm-wlm and munge (Debian) for that."
exit 1
