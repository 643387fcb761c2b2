# Prints owners and modes inside a volume as one JSON document (volumes/<pv>.json of a bundle). It only reads.
# $1 where the volume is mounted, $2 the PersistentVolume, $3 the most entries, $4 the directory of the volume where the
# way begins, $5 the data directory on the volume. For any POSIX shell with a stat that knows -c, busybox's too.
LC_ALL=C
export LC_ALL
root=$1 volume=$2 most=$3 start=$4 data=${5%/}
count=0 seen='' missed='' kind=''

quoted() { # TEXT: as a JSON string
    case $1 in
    *[\\\"]*) printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')" ;;
    *) printf '"%s"' "$1" ;;
    esac
}

miss() { # PATH WHY
    missed="$missed${missed:+,}{\"path\":$(quoted "$1"),\"why\":$(quoted "$2")}"
}

see() { # PATH: keeps what is there, without following a link
    if ! found=$(stat -c '%u %g %a %F' -- "$root$1" 2>&1); then
        miss "$1" "${found##*: }"
        return 1
    fi
    uid=${found%% *} found=${found#* }
    gid=${found%% *} found=${found#* }
    mode=$(printf '%04o' "0${found%% *}") kind=${found#* }
    case $kind in
    symbolic*)
        miss "$1" "it is a symbolic link, which was not followed"
        return 1
        ;;
    directory) ;;
    *) kind=file ;;
    esac
    seen="$seen${seen:+,}{\"path\":$(quoted "$1"),\"type\":\"$kind\",\"uid\":$uid,\"gid\":$gid,\"mode\":\"$mode\"}"
    count=$((count + 1))
}

walk() { # every directory from the start down to the data directory
    here=''
    if [ "$start" = / ]; then
        see / || return 1
    fi
    set -f
    IFS=/
    # shellcheck disable=SC2086
    set -- ${data#/}
    unset IFS
    set +f
    for part in "$@"; do
        here=$here/$part
        case $start in "$here"/*) continue ;; esac
        see "$here" || return 1
        if [ "$kind" != directory ] && [ "$here" != "$data" ]; then return 1; fi
    done
    [ "$kind" = directory ]
}

list() { # what lies directly in the data directory
    if [ ! -r "$root$data/" ] || [ ! -x "$root$data/" ]; then
        miss "${data:-/}" "its entries may not be listed"
        return
    fi
    odd=0
    for entry in "$root$data"/* "$root$data"/.[!.]* "$root$data"/..?*; do
        if [ ! -e "$entry" ] && [ ! -L "$entry" ]; then continue; fi
        if [ "$count" -ge "$most" ]; then
            miss "${data:-/}" "it has more entries than $most"
            break
        fi
        case $entry in
        *[[:cntrl:]]*) odd=$((odd + 1)) ;;
        *) see "$data/${entry##*/}" || : ;;
        esac
    done
    if [ "$odd" != 0 ]; then miss "${data:-/}" "$odd names in it have control characters"; fi
}

if walk; then list; fi
space=null
# shellcheck disable=SC2046
set -- $(stat -f -c '%S %b %a %d' -- "$root/" 2>/dev/null)
if [ $# = 4 ]; then
    inodes=$4
    if [ "$inodes" = 0 ]; then inodes=null; fi
    space="{\"totalBytes\":$(($1 * $2)),\"freeBytes\":$(($1 * $3)),\"freeInodes\":$inodes}"
fi
printf '{"persistentVolume":%s,"observedFrom":"probe-pod","entries":[%s],"space":%s,"notSeen":[%s]}\n' \
    "$(quoted "$volume")" "$seen" "$space" "$missed"
