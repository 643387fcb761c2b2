#!/bin/sh
# Init of a User Mode Linux whose root is the machine's own file system, read-only: it serves NFSv4.1 to itself, mounts
# it, and runs what it is told on standard input until that ends.
#
# The kernel hands its parameters over as the environment: NFS_TOOLS is a folder with Debian's packages, unpacked, and
# NFS_BOX one with the empty folders that things are mounted on:
#   efs     the export, mounted over NFS; root may do everything there
#   point   its folder `data`, through another export that acts as 1000:1000 whoever asks, as an EFS access point does
#   server  what is exported, seen without NFS
#   said    what is to be run, and what came of it; this one is the machine's own
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec 2>&1
stty -echo
echo "guest: up"

stop() { # WHY
    echo "guest: down: $1"
    echo o >/proc/sysrq-trigger
    sleep 60
}
try() {
    "$@" || stop "$*"
}

try mount -t proc proc /proc
# Where whoever started it is killed, it ends by itself.
(
    sleep 300
    echo o >/proc/sysrq-trigger
) &
try mount -t hostfs -o "$NFS_BOX/said" none "$NFS_BOX/said"
try mount --bind "$NFS_TOOLS" "$NFS_BOX/tools"
# Programs of the NFS server keep their state there, and nowhere else.
try mount -t tmpfs tmpfs /var/lib
mkdir -p /var/lib/nfs/v4recovery
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
try busybox ip link set lo up

modules=$NFS_BOX/tools/usr/lib/uml/modules/$(uname -r)/kernel
while read -r module; do try busybox insmod "$modules/$module.ko"; done <<END
lib/oid_registry
net/sunrpc/sunrpc
net/sunrpc/auth_gss/auth_rpcgss
fs/nfs_common/nfs_acl
fs/nfs_common/grace
fs/lockd/lockd
fs/nfsd/nfsd
net/dns_resolver/dns_resolver
fs/netfs/netfs
fs/fscache/fscache
fs/nfs/nfs
fs/nfs/nfsv4
END
try mount -t nfsd nfsd /proc/fs/nfsd

server=$NFS_BOX/server
try mount -t tmpfs -o mode=755 tmpfs "$server"
mkdir "$server/data" "$server/point"
chown 1000:1000 "$server/data"
try mount --bind "$server/data" "$server/point"
usual=rw,no_subtree_check,insecure
sbin=$NFS_BOX/tools/usr/sbin
try "$sbin/exportfs" -i -o "$usual,no_root_squash,fsid=0,crossmnt" "127.0.0.1:$server"
try "$sbin/exportfs" -i -o "$usual,all_squash,anonuid=1000,anongid=1000,fsid=2" "127.0.0.1:$server/point"
LD_LIBRARY_PATH=$(echo "$NFS_BOX"/tools/usr/lib/*-linux-gnu) try "$sbin/rpc.mountd" -N 2 -N 3
try "$sbin/rpc.nfsd" -N 3 -V 4.1 -U 2
# A server that has just started lets clients take back what they held, and nobody else open a file, for 90 seconds.
echo Y >/proc/fs/nfsd/v4_end_grace
# What mount.efs asks for, without TLS, and with no cache of attributes, since files are changed through both mounts. The
# helper of nfs-common would add the two addresses.
options=vers=4.1,noac,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,addr=127.0.0.1,clientaddr=127.0.0.1
try mount -i -t nfs4 -o "$options" 127.0.0.1:/ "$NFS_BOX/efs"
try mount -i -t nfs4 -o "$options" 127.0.0.1:/point "$NFS_BOX/point"
echo "guest: ready"

# One number a line: the script of that name is run, and its output and its exit code are left beside it.
while read -r number; do
    said=$NFS_BOX/said/$number
    sh "$said" >"$said.out" 2>"$said.err" </dev/null
    echo $? >"$said.code"
    echo "guest: done $number"
done
stop "at the end"
