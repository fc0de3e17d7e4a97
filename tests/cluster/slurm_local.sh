#!/usr/bin/env bash
# A real SLURM of one node on this machine, for tests: two pretend GPUs, two partitions, no accounting database.
#     slurm_local.sh install    from the packages of Debian or Ubuntu, where they are missing
#     slurm_local.sh start      prints the node when it is ready
#     slurm_local.sh stop       and leaves nothing but the packages
# It needs root, and refuses a machine that has a SLURM of its own: exit status 3 says that this cannot be done here.
set -euo pipefail

STATE=/var/tmp/boltzprune-slurm
CONFIG=/etc/slurm
MARK="# written by boltzprune's tests/cluster/slurm_local.sh"
NODE=$(hostname -s)

fail() { echo "slurm_local.sh: $*" >&2; exit 1; }
refuse() { echo "slurm_local.sh: $*" >&2; exit 3; }

check() {
    [ "$(id -u)" = 0 ] || refuse "needs root"
    if [ -e "$CONFIG/slurm.conf" ] && ! grep -qsF "$MARK" "$CONFIG/slurm.conf"; then
        refuse "$CONFIG/slurm.conf is not from here: this machine belongs to a cluster, and is left alone"
    fi
}

install() {
    for program in slurmctld slurmd sbatch munged; do
        command -v "$program" >/dev/null && continue
        command -v apt-get >/dev/null || refuse "$program is missing, and there is no apt-get to install it"
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
            slurmctld slurmd slurm-client munge; } >&2 || refuse "apt-get could not install SLURM"
        return
    done
}

stop() {
    local program pid
    for program in slurmd slurmctld munged; do
        [ -s "$STATE/$program.pid" ] || continue
        pid=$(cat "$STATE/$program.pid")
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$program" ] || continue
        kill "$pid"
        for _ in $(seq 50); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
    done
    rm -rf "$STATE"
    if grep -qsF "$MARK" "$CONFIG/slurm.conf"; then rm -f "$CONFIG/slurm.conf" "$CONFIG/gres.conf"; fi
}

start() {
    stop
    mkdir -p "$STATE/spool" "$STATE/state" "$STATE/munge" "$STATE/socket" "$CONFIG"
    head -c 128 /dev/urandom >"$STATE/munge/key"
    chown -R munge: "$STATE/munge" "$STATE/socket"
    chmod 700 "$STATE/munge"
    chmod 400 "$STATE/munge/key"
    chmod 755 "$STATE" "$STATE/socket"
    runuser -u munge -- munged --key-file="$STATE/munge/key" --socket="$STATE/socket/munge" \
        --pid-file="$STATE/munge/munged.pid" --log-file="$STATE/munge/log" --seed-file="$STATE/munge/seed"
    cp "$STATE/munge/munged.pid" "$STATE/munged.pid"
    for gpu in 0 1; do mknod "$STATE/gpu$gpu" c 1 3; done  # a plain file would get no number in CUDA_VISIBLE_DEVICES
    printf '%s\nNodeName=%s Name=gpu File=%s/gpu[0-1]\n' "$MARK" "$NODE" "$STATE" >"$CONFIG/gres.conf"
    configuration >"$CONFIG/slurm.conf"
    # what each step sees of the GPUs, for tests to read
    printf '#!/bin/sh\necho "$SLURM_JOB_ID $CUDA_VISIBLE_DEVICES" >>%s/devices\n' "$STATE" >"$STATE/prolog"
    chmod 755 "$STATE/prolog"
    slurmctld
    slurmd
    for _ in $(seq 100); do
        if sinfo -h -o %t 2>/dev/null | grep -q idle; then sinfo -N -o '%N %t %c %m %G %P'; return; fi
        sleep 0.2
    done
    tail -n 20 "$STATE"/*.log >&2
    fail "the node did not become idle within 20 s"
}

configuration() {
    cat <<END
$MARK
ClusterName=boltzprune
SlurmctldHost=$NODE(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$STATE/socket/munge
StateSaveLocation=$STATE/state
SlurmdSpoolDir=$STATE/spool
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=100000
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=600
KillWait=2
GresTypes=gpu
SlurmdParameters=config_overrides
TaskProlog=$STATE/prolog
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=16 RealMemory=$(awk '/MemTotal/{print int($2/1024*0.9)}' /proc/meminfo) Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes=$NODE Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=$NODE MaxTime=INFINITE State=UP
END
}

case ${1:-} in
    install | start | stop) check; "$1" ;;
    *) fail "expected install, start or stop" ;;
esac
