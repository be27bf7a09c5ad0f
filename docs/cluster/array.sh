#!/bin/bash
# One part of an experiment, as a task of a Slurm array:
#
#   sbatch --array=0-3 docs/cluster/array.sh rates.toml --out /shared/rates
#
# All arguments go to `tailor experiment`. With --array=0-3 the parts are 0/4, 1/4, 2/4 and 3/4.
#SBATCH --job-name=experiment
#SBATCH --cpus-per-task=4
#SBATCH --time=12:00:00
#SBATCH --output=%x-%A_%a.log
#SBATCH --open-mode=append
# A task whose node fails, or that makes way for another job, is begun again.
#SBATCH --requeue
# Two minutes before the time is over this script is told, and nothing else is.
#SBATCH --signal=B:USR1@120

if [ $((SLURM_ARRAY_TASK_MAX - SLURM_ARRAY_TASK_MIN + 1)) -ne "$SLURM_ARRAY_TASK_COUNT" ]; then
    echo "the numbers of --array have gaps; give a range such as 0-3" >&2
    exit 2
fi
part=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))/$SLURM_ARRAY_TASK_COUNT

# Where Slurm does not bind tasks to cores, this keeps to those that were asked for.
export RAYON_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}

tailor experiment "$@" --array "$part" &
program=$!

out_of_time=
stopped=
trap 'stopped=yes; out_of_time=yes; kill -TERM "$program"' USR1
trap 'stopped=yes; kill -TERM "$program"' TERM

wait "$program"
status=$?
# A signal ends the first wait before the program has saved.
if [ -n "$stopped" ]; then
    wait "$program"
    status=$?
fi

# 143: it was stopped, and goes on from its checkpoint.
if [ -n "$out_of_time" ] && [ "$status" -eq 143 ]; then
    echo "out of time: queued again"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
