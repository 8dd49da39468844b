#!/usr/bin/env bash
# The pipeline of a profile on several nodes of a Slurm cluster. From the checkout: sbatch docs/cluster/slurm.sh paper
#SBATCH --job-name=highways
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --output=highways-%j.log
# For GPUs: #SBATCH --gpus-per-task=1
set -euo pipefail

profile=${1:-paper}
port=${RAY_PORT:-6379}
cd "${SLURM_SUBMIT_DIR:-$(pwd)}"
export PATH="$PWD/.venv/bin:$PATH" RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
[ -s "$HOME/.ray/auth_token" ] || ray get-auth-token --generate >/dev/null  # the home folder is shared

# The head's real address: what the first node's name resolves to for the others, and no loopback address.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(getent ahostsv4 "$head" | awk '$1 !~ /^127\./ {print $1; exit}')
[ -n "$address" ] || { echo "error: $head resolves to no address that the other nodes can reach" >&2; exit 1; }

# One command on all nodes: Ray starts on each, the pipeline runs on the head, Ray stops.
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \
  ray symmetric-run --address "$address:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-cpus "${SLURM_CPUS_PER_TASK:-1}" -- \
  env RAY_ADDRESS="$address:$port" make repro PROFILE="$profile"
