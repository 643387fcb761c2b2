# Resolves a name and opens connections, and prints what came of it as one JSON document. It sends nothing.
# $1 the PersistentVolume, $2 the node, $3 the name or nothing, $4 the port; the addresses follow, and without any the
# name is used.
# What cannot be told with the programs of the image is null. For any POSIX shell with nslookup or getent, and nc.
LC_ALL=C
export LC_ALL
volume=$1 node=$2 name=$3 port=$4
shift 4
patience=5

plain() { # TEXT: on one line, without what JSON would need an escape for
    printf '%s' "$1" | tr '\n' ' ' | tr -d '\000-\037\177"\\' | cut -c 1-300
}

resolve() { # true, false or null, and what was said
    if [ -z "$name" ]; then
        resolves=null said="the volume is mounted by address"
    elif command -v getent >/dev/null; then
        resolves=true
        if ! said=$(getent hosts "$name" 2>&1); then resolves=false said="getent hosts finds no address"; fi
    elif command -v nslookup >/dev/null; then
        said=$(nslookup "$name" 2>&1)
        resolves=false
        # The lines before the first Name are about the server.
        case $(printf '%s\n' "$said" | sed -n '/^Name:/,$p') in *Address*) resolves=true ;; esac
    else
        resolves=null said="the image has neither getent nor nslookup"
    fi
}

connect() { # ADDRESS: true, false or null, and what was said
    if ! command -v nc >/dev/null; then
        answers=null said="the image has no nc"
        return
    fi
    if said=$(nc -z -w "$patience" "$1" "$port" 2>&1 </dev/null); then
        answers=true
        return
    fi
    case $said in
    *nvalid*option* | *nrecognized*option* | *sage:*)
        # A nc without -z stays connected; one that could not connect ends by itself before that.
        said=$(timeout $((patience + 3)) nc -w "$patience" "$1" "$port" 2>&1 </dev/null)
        case $? in 0 | 124 | 143) answers=true ;; *) answers=false ;; esac
        ;;
    *) answers=false ;;
    esac
    if [ -z "$said" ]; then said="no connection within $patience s"; fi
}

resolve
found="\"resolves\":$resolves,\"said\":\"$(plain "$said")\""
targets=''
if [ $# = 0 ]; then set -- "$name"; fi
for address in "$@"; do
    connect "$address"
    if [ "$answers" = true ]; then said=connected; fi
    targets="$targets${targets:+,}{\"address\":\"$address\",\"answers\":$answers,\"said\":\"$(plain "$said")\"}"
done
printf '{"persistentVolume":"%s","node":"%s","name":"%s","port":%s,%s,"targets":[%s]}\n' \
    "$volume" "$node" "$name" "$port" "$found" "$targets"
