# Changes owner and mode of exactly the named paths of a volume, or of none of them. What look.sh takes comes first; the
# paths follow, each with what it has to be before (uid:gid:mode) and what it is to be then.
# Ends with 3, and changes nothing, where a path is neither the one nor the other; with 4, and puts back what it
# changed, where a change is refused.

state() { # PATH: its owner and mode; fails for what is not there, or where a link is on the way
    way=$root
    set -f
    IFS=/
    # shellcheck disable=SC2086
    set -- $1
    unset IFS
    set +f
    for part in "$@"; do
        if [ -z "$part" ]; then continue; fi
        way=$way/$part
        if [ -L "$way" ]; then
            echo "a symbolic link"
            return
        fi
    done
    if ! told=$(stat -c '%u:%g %a' -- "$way" 2>/dev/null); then
        echo "not there"
        return
    fi
    printf '%s:%04o\n' "${told% *}" "0${told#* }"
}

make() { # PATH STATE
    now=$(state "$1")
    if [ "${now%:*}" != "${2%:*}" ]; then chown -h "${2%:*}" "$root$1" || return 1; fi
    # A change of owner takes the set-id bits away, so the mode comes last. Only five digits take them from a directory.
    if [ "$(state "$1")" != "$2" ]; then chmod "0${2##*:}" "$root$1" || return 1; fi
    [ "$(state "$1")" = "$2" ]
}

mend() {
    root=$1
    shift 5
    differs=''
    for_each differs_from "$@"
    if [ -n "$differs" ]; then
        echo "nothing was changed" >&2
        return 3
    fi
    failed=''
    for_each change "$@"
    if [ -n "$failed" ]; then
        stop=''
        for_each put_back "$@"
        echo "$failed may not be changed; what was changed before it was put back" >&2
        return 4
    fi
}

for_each() { # FUNCTION PATH BEFORE AFTER …
    does=$1
    shift
    while [ $# -ge 3 ]; do
        "$does" "$1" "$2" "$3"
        shift 3
    done
}

differs_from() {
    is=$(state "$1")
    if [ "$is" != "$2" ] && [ "$is" != "$3" ]; then
        differs=$1
        echo "$1 is $is; it had to be $2" >&2
    fi
}

change() {
    if [ -z "$failed" ] && ! make "$1" "$3"; then failed=$1; fi
}

put_back() {
    if [ -n "$stop" ]; then return; fi
    make "$1" "$2" || echo "$1 could not be put back to $2" >&2
    if [ "$1" = "$failed" ]; then stop=yes; fi
}

mend "$@" || exit
