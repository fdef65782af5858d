#!/bin/bash
# The first process of a host made of namespaces (see hosts.py): host.sh NAME ADDRESS
# Its own: processes, network, host name, /dev/shm, /tmp/ray, and what it changes in the home folder. All other files
# are shared with this machine, as a network file system would.
set -e
hostname "$1"
ip link set lo up
own=$(mktemp -d /tmp/host-XXXXXX)
mount -t tmpfs tmpfs "$own"
mkdir "$own/upper" "$own/work"
mount -t overlay overlay -o "lowerdir=$HOME,upperdir=$own/upper,workdir=$own/work" "$HOME"
printf '127.0.0.1 localhost\n%s %s\n' "$2" "$1" > "$own/hosts"  # else gloo takes the host's name for 127.0.0.1
mount --bind "$own/hosts" /etc/hosts
mount -t tmpfs -o size=4g tmpfs /dev/shm
mkdir -p /tmp/ray
mount -t tmpfs tmpfs /tmp/ray
mkdir -p /run/sshd
echo "ready $own"
sleep infinity & wait
