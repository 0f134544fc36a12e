#!/bin/bash
# Asks an emulated Halo what is known of the real one, with curl alone, and says of each point `ok` or `FAULT`.
#
#     halo-intake sandbox
#     tests/sandbox/conformance.sh http://127.0.0.1:9746 sandbox-client sandbox-secret
#
# It makes records of its own. It puts every switch to its default first and back to what it was at the end; with
# `--as-it-is` the sandbox is asked with the switches that it has. It ends with 1 if there is a fault.
set -uo pipefail

if [ $# -lt 3 ] || [ "${4:---as-it-is}" != --as-it-is ]; then
    echo "usage: conformance.sh URL CLIENT_ID CLIENT_SECRET [--as-it-is]" >&2
    exit 2
fi
if ! command -v curl >/dev/null; then
    echo "conformance.sh: curl is missing" >&2
    exit 69
fi
base=${1%/} client_id=$2 client_secret=$3
folder=$(mktemp -d) || exit 70
trap 'rm -rf "$folder"' EXIT

# --- points ----------------------------------------------------------------------------------------------------------

name='' faults='' points=0 broken=0

# Ends the last point and begins another.
point() {
    if [ -n "$name" ]; then
        points=$((points + 1))
        if [ -z "$faults" ]; then
            echo "ok    $name"
        else
            broken=$((broken + 1))
            echo "FAULT $name: $faults"
        fi
    fi
    name=$1 faults=''
}

fault() {
    faults="${faults:+$faults; }$1"
}

status_is() {
    [ "$status" = "$1" ] || fault "$asked gives $status instead of $1: ${body:0:200}"
}

has() {
    [[ $body == *"$1"* ]] || fault "$asked has no $1: ${body:0:300}"
}

lacks() {
    [[ $body != *"$1"* ]] || fault "$asked has $1: ${body:0:300}"
}

is_empty() {
    [ -z "$body" ] || fault "$asked is not empty: ${body:0:100}"
}

# How often a text is in the body.
times() {
    local count
    count=$(grep -oF -- "$2" "$folder/body" | wc -l)
    [ "$count" -eq "$1" ] || fault "$asked has $2 $count times instead of $1"
}

header_has() {
    grep -qiF -- "$1" "$folder/header" || fault "$asked has no header field $1"
}

# The first value of a field that is a number.
number() {
    grep -oE "\"$1\":-?[0-9]+" "$folder/body" | head -n 1 | cut -d : -f 2
}

# --- requests --------------------------------------------------------------------------------------------------------

token=''

# ask METHOD PATH [CURL-ARGUMENT ...]
ask() {
    local method=$1 path=$2
    shift 2
    asked="$method $path"
    : >"$folder/body"
    : >"$folder/header"
    status=$(curl --silent --noproxy '*' --globoff --max-time 20 --request "$method" --output "$folder/body" \
        --dump-header "$folder/header" --write-out '%{http_code}' --header "Authorization: Bearer $token" "$@" "$base$path")
    body=$(tr -d '\0' <"$folder/body")
}

get() { ask GET "$@"; }
delete() { ask DELETE "$@"; }
post() {
    local path=$1 sent=$2
    shift 2
    ask POST "$path" --header 'Content-Type: application/json' --data-binary "$sent" "$@"
}

# sign_in SCOPE [QUERY]
sign_in() {
    ask POST "/auth/token${2:-}" --data-urlencode grant_type=client_credentials --data-urlencode "client_id=$client_id" \
        --data-urlencode "client_secret=$client_secret" --data-urlencode "scope=$1"
}

new_token() {
    sign_in "$1" >&2
    grep -oE '"access_token":"[^"]*"' "$folder/body" | cut -d '"' -f 4
}

switch() {
    post /sandbox/switches "$1"
    status_is 200
}

# Adds a record that the API could not, for the points that need one.
lay() {
    post "/sandbox/$1" "$2"
    status_is 201
    laid=$(number id)
}

# --- the switches as they were ---------------------------------------------------------------------------------------

get /sandbox/switches
if [ "$status" != 200 ]; then
    echo "conformance.sh: $base/sandbox/switches gives $status; is there a sandbox?" >&2
    exit 69
fi
cp "$folder/body" "$folder/switches"
restore() {
    curl --silent --noproxy '*' --max-time 20 --output /dev/null --data-binary "@$folder/switches" "$base/sandbox/switches"
    rm -rf "$folder"
}
trap restore EXIT
[ $# -eq 4 ] || delete /sandbox/switches

# --- the points, section by section: later ones use the records of earlier ones ---------------------------------

for section in signing_in bodies lists tickets actions attachments reference switches faults rate; do
    # shellcheck source=/dev/null
    . "$(dirname "$0")/conformance/$section.sh"
done

point ''
echo "$points points, $broken faults"
[ "$broken" -eq 0 ]
