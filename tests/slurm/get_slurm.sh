#!/bin/sh
# Install Slurm and munge for the test of the workflow on a cluster, if they are missing. This works as root on Debian;
# otherwise the script prints what is missing and exits with status 1.
PATH=$PATH:/usr/sbin:/sbin
present() {
    for program in munged slurmctld slurmd sbatch srun squeue scontrol; do
        command -v "$program" > /dev/null || return 1
    done
}

if [ "$(id -u)" != 0 ]; then
    echo "Not root: skipping the Slurm test, because Slurm's daemons need root. Run it as root."
    exit 1
fi
present && exit 0
if command -v apt-get > /dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        munge slurm-wlm; } > /dev/null 2>&1
fi
present && exit 0
echo "Slurm not found: skipping the Slurm test. To run it, install slurm-wlm and munge (Debian)."
exit 1
