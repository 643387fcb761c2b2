# Writes a line into a file of its own, reads it back, and removes the file. For any POSIX shell.
# $1 the directory, $2 the name of the file, $3 the line.
LC_ALL=C
export LC_ALL
file=$1/$2
if ! printf '%s\n' "$3" >"$file"; then
    echo "uid $(id -u) cannot write to the volume"
    exit 1
fi
read -r back <"$file"
rm -f "$file"
if [ "$back" != "$3" ]; then
    echo "what came back from the volume is not what was written: $back"
    exit 1
fi
echo "a line was written and read back"
